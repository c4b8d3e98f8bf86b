//! Tensors, errors and facts as JavaScript values.
//!
//! In and out: `{name, type, dims, data}` (a list of those under `sequence`, or `absent: true`, where a
//! model has no tensor), the data a typed array as onnxruntime's API has it
//! (float16 as `Uint16Array`, bool as `Uint8Array`, 64-bit integers as BigInt arrays, strings as an
//! array of strings). One copy each way, between the typed array and the engine's memory.

use std::cell::RefCell;
use std::collections::HashMap;

use js_sys::{
    Array, ArrayBuffer, BigInt64Array, BigUint64Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Object, Reflect, Uint8Array, Uint16Array, Uint32Array,
};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::error::{Error, ErrorKind};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type JsResult<T> = std::result::Result<T, JsValue>;

/// An `Error` with `code` and `details` from the one table.
pub(super) fn js_error(error: &Error) -> JsValue {
    let object = js_sys::Error::new(&error.to_string());
    let set = |key: &str, value: &JsValue| {
        // Setting a property of a fresh object cannot fail.
        let _ = Reflect::set(&object, &key.into(), value);
    };
    set("code", &error.row().code.into());
    if let Some(details) = error.details()
        && let Ok(details) = plain(&details)
    {
        set("details", &details);
    }
    object.into()
}

/// A serialisable value as plain objects and numbers.
pub(super) fn plain(value: &impl Serialize) -> JsResult<JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    Ok(value.serialize(&serializer)?)
}

fn invalid(kind: ErrorKind, message: String) -> JsValue {
    js_error(&Error::new(kind, message))
}

#[wasm_bindgen]
extern "C" {
    /// A value as it crosses. Its properties are read and written by JavaScript that knows their names; a key that
    /// is made here anew for each access costs more than a small model's run.
    #[wasm_bindgen(extends = Object)]
    pub(super) type Wire;

    #[wasm_bindgen(method, getter)]
    fn name(this: &Wire) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn absent(this: &Wire) -> Option<bool>;
    #[wasm_bindgen(method, getter)]
    fn sequence(this: &Wire) -> Option<Array>;
    #[wasm_bindgen(method, getter, js_name = "type")]
    fn word(this: &Wire) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn dims(this: &Wire) -> Array;
    #[wasm_bindgen(method, getter)]
    fn data(this: &Wire) -> JsValue;

    #[wasm_bindgen(method, setter)]
    fn set_name(this: &Wire, name: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_absent(this: &Wire, absent: bool);
    #[wasm_bindgen(method, setter)]
    fn set_sequence(this: &Wire, sequence: &Array);
    #[wasm_bindgen(method, setter, js_name = "type")]
    fn set_word(this: &Wire, word: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_dims(this: &Wire, dims: &Array);
    #[wasm_bindgen(method, setter)]
    fn set_data(this: &Wire, data: &JsValue);

    /// Any typed array.
    type View;

    #[wasm_bindgen(method, getter)]
    fn buffer(this: &View) -> ArrayBuffer;
    #[wasm_bindgen(method, getter, js_name = "byteOffset")]
    fn offset(this: &View) -> u32;
    #[wasm_bindgen(method, getter, js_name = "byteLength")]
    fn length(this: &View) -> u32;
}

#[cfg(feature = "gpu")]
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(method, getter)]
    fn resident(this: &Wire) -> Option<u32>;
    #[wasm_bindgen(method, setter)]
    fn set_resident(this: &Wire, id: u32);
}

impl Wire {
    fn fresh() -> Self {
        Object::new().unchecked_into()
    }

    fn set_facts(&self, dtype: DType, shape: &[usize]) {
        with_word(dtype.name(), |word| self.set_word(word));
        let dims: Array = shape.iter().map(|d| JsValue::from(*d as f64)).collect();
        self.set_dims(&dims);
    }
}

/// How many words of JavaScript are kept.
const MOST_WORDS: usize = 64;

thread_local! {
    /// Names and types of outputs: to make a word anew takes JavaScript longer than to make the object that has it.
    static WORDS: RefCell<HashMap<String, JsValue>> = RefCell::new(HashMap::new());
}

fn with_word(text: &str, give: impl FnOnce(&JsValue)) {
    WORDS.with_borrow_mut(|words| match words.get(text) {
        Some(word) => give(word),
        None => {
            let word = JsValue::from_str(text);
            give(&word);
            if words.len() < MOST_WORDS {
                words.insert(text.to_owned(), word);
            }
        }
    });
}

/// A named value.
pub(super) fn from_wire(wire: &JsValue) -> JsResult<(String, Value)> {
    let wire: &Wire = wire.unchecked_ref();
    let name = wire.name().unwrap_or_default();
    #[cfg(feature = "gpu")]
    if let Some(id) = wire.resident() {
        return Ok((name, Value::Gpu(super::resident::get(id)?)));
    }
    let value = if wire.absent().unwrap_or_default() {
        Value::Absent
    } else if let Some(list) = wire.sequence() {
        let list = list.iter().map(|wire| tensor_from_wire(&name, wire.unchecked_ref()));
        Value::Sequence(list.collect::<JsResult<_>>()?)
    } else {
        Value::Tensor(tensor_from_wire(&name, wire)?)
    };
    Ok((name, value))
}

fn tensor_from_wire(name: &str, wire: &Wire) -> JsResult<Tensor> {
    let word = wire.word().unwrap_or_default();
    let dtype = DType::from_name(&word).ok_or_else(|| {
        js_error(&Error::unsupported_type(format!("input `{name}` has the unknown type {word}")))
    })?;
    let dims = wire
        .dims()
        .iter()
        .map(|d| d.as_f64().filter(|d| *d >= 0.0 && d.fract() == 0.0).map(|d| d as usize))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            invalid(
                ErrorKind::ShapeMismatch,
                format!("the dims of input `{name}` are no whole numbers"),
            )
        })?;
    let data = wire.data();
    let tensor = if dtype == DType::String {
        let strings = Array::from(&data)
            .iter()
            .map(|s| s.as_string())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                invalid(ErrorKind::TypeMismatch, format!("input `{name}` must hold strings"))
            })?;
        Tensor::from_strings(&dims, strings)
    } else {
        let object = data.dyn_ref::<Object>().filter(|d| ArrayBuffer::is_view(d));
        let object = object.ok_or_else(|| {
            invalid(ErrorKind::TypeMismatch, format!("input `{name}` must hold a typed array"))
        })?;
        let view: &View = object.unchecked_ref();
        let (offset, length) = (view.offset(), view.length());
        let bytes = Uint8Array::new_with_byte_offset_and_length(&view.buffer(), offset, length);
        Tensor::from_bytes_with(dtype, &dims, bytes.length() as usize, |room| bytes.copy_to(room))
    };
    tensor.map_err(|e| js_error(&e))
}

/// The same the other way round.
pub(super) fn to_wire(name: &str, value: &Value) -> Wire {
    let wire = Wire::fresh();
    match value {
        Value::Tensor(tensor) => tensor_to_wire(&wire, tensor),
        Value::Sequence(list) => {
            let sequence = Array::new();
            for tensor in list {
                let element = Wire::fresh();
                tensor_to_wire(&element, tensor);
                sequence.push(&element);
            }
            wire.set_sequence(&sequence);
        }
        Value::Absent => wire.set_absent(true),
        #[cfg(feature = "gpu")]
        Value::Gpu(tensor) => {
            wire.set_facts(tensor.dtype(), tensor.shape());
            wire.set_resident(super::resident::keep(tensor.clone()));
        }
    }
    with_word(name, |name| wire.set_name(name));
    wire
}

fn tensor_to_wire(wire: &Wire, tensor: &Tensor) {
    wire.set_facts(tensor.dtype(), tensor.shape());
    wire.set_data(&data(tensor));
}

/// The elements as the typed array of their type.
pub(super) fn data(tensor: &Tensor) -> JsValue {
    if let Some(strings) = tensor.strings() {
        return strings.iter().map(JsValue::from).collect::<Array>().into();
    }
    let bytes = Uint8Array::from(tensor.bytes());
    let buffer = bytes.buffer();
    match tensor.dtype() {
        DType::Float32 => Float32Array::new(&buffer).into(),
        DType::Float64 => Float64Array::new(&buffer).into(),
        DType::Float16 | DType::Uint16 => Uint16Array::new(&buffer).into(),
        DType::Int8 => Int8Array::new(&buffer).into(),
        DType::Int16 => Int16Array::new(&buffer).into(),
        DType::Int32 => Int32Array::new(&buffer).into(),
        DType::Int64 => BigInt64Array::new(&buffer).into(),
        DType::Uint32 => Uint32Array::new(&buffer).into(),
        DType::Uint64 => BigUint64Array::new(&buffer).into(),
        DType::Uint8 | DType::Bool | DType::String => bytes.into(),
    }
}
