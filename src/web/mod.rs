//! The face for JavaScript: what wasm-bindgen exports to the npm package.
//!
//! In: a model file written chunk by chunk into wasm memory, then tensors as typed arrays. Out:
//! tensors as typed arrays. Everything that a page can do elsewhere (fetching, queueing, falling
//! back) is not here: this module is the engine and nothing else.

mod convert;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "gpu")]
mod resident;
mod threads;

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::error::{Error, ErrorKind};
use crate::model::{ModelFile, ModelStream};
use crate::session::{RunResult, Session, SessionOptions};
use crate::value::Value;
use convert::{from_wire, js_error, to_wire};
pub use threads::use_threads;

#[wasm_bindgen]
extern "C" {
    // Pages, workers, Node and Workers all have it.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

pub(crate) fn now_ms() -> f64 {
    performance_now()
}

type JsResult<T> = std::result::Result<T, JsValue>;

/// The version of this engine.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// A model file and those beside it, assembled in wasm memory, so that JavaScript never holds a second copy.
#[wasm_bindgen]
pub struct ModelBytes {
    /// What has come of the model file itself.
    stream: Option<ModelStream>,
    /// A chunk on its way.
    chunk: Vec<u8>,
    /// Once the file is whole.
    file: Option<ModelFile>,
    /// The file beside it that the next chunks belong to.
    location: String,
}

#[wasm_bindgen]
impl ModelBytes {
    /// An empty file; fails where memory has no room for `size_hint` bytes, before they are downloaded. 0 where the
    /// size is unknown.
    #[wasm_bindgen(constructor)]
    pub fn new(size_hint: f64) -> JsResult<ModelBytes> {
        // Given back at once, for the constants to come; what nobody looks at would not be asked for at all.
        let mut room = Vec::<u8>::new();
        room.try_reserve_exact(size_hint as usize).map_err(|_| no_room())?;
        std::hint::black_box(&room);
        drop(room);
        let chunk = Vec::with_capacity(PIECE);
        let stream = Some(ModelStream::new(size_hint as usize));
        Ok(Self { stream, chunk, file: None, location: String::new() })
    }

    /// Appends the next chunk.
    pub fn append(&mut self, chunk: &Uint8Array) -> JsResult<()> {
        for from in (0..chunk.length()).step_by(PIECE) {
            let part = chunk.subarray(from, chunk.length().min(from.saturating_add(PIECE as u32)));
            self.chunk.resize(part.length() as usize, 0);
            part.copy_to(&mut self.chunk);
            match (&mut self.file, &mut self.stream) {
                (Some(file), _) => file.append(&self.location, &self.chunk),
                (None, Some(stream)) => stream.append(&self.chunk),
                (None, None) => Err(Error::new(ErrorKind::Internal, "the file was read before")),
            }
            .map_err(|e| js_error(&e))?;
        }
        Ok(())
    }

    /// The file is whole: decodes it, and gives the paths of those beside it that it needs.
    pub fn external(&mut self) -> JsResult<Vec<String>> {
        let stream = self.stream.take().unwrap_or_else(|| ModelStream::new(0));
        let file = stream.finish().map_err(|e| js_error(&e))?;
        let file = self.file.insert(file);
        Ok(file.external().map(str::to_owned).collect())
    }

    /// The next chunks are of the file at this path; begins again where it had begun.
    pub fn begin(&mut self, location: String) -> JsResult<()> {
        if let Some(file) = &mut self.file {
            file.begin(&location).map_err(|e| js_error(&e))?;
        }
        self.location = location;
        Ok(())
    }
}

impl ModelBytes {
    fn file(self) -> JsResult<ModelFile> {
        match self.file {
            Some(file) => Ok(file),
            None => {
                let stream = self.stream.unwrap_or_else(|| ModelStream::new(0));
                stream.finish().map_err(|e| js_error(&e))
            }
        }
    }
}

/// What is downloaded comes in chunks of any size; so many bytes of one are on their way at a time.
const PIECE: usize = 1 << 20;

fn no_room() -> JsValue {
    js_error(&Error::new(ErrorKind::OutOfMemory, "no room for the model in wasm memory"))
}

/// Facts about a model file, also of one that the engine cannot run. Consumes the bytes.
#[wasm_bindgen]
pub fn inspect(bytes: ModelBytes) -> JsResult<JsValue> {
    let inspection = crate::model::inspect(&bytes.file()?).map_err(|e| js_error(&e))?;
    convert::plain(&inspection)
}

/// Everything in a model file that the engine cannot run. Consumes the bytes.
#[wasm_bindgen]
pub fn check(bytes: ModelBytes) -> JsResult<JsValue> {
    let check = crate::model::check(bytes.file()?).map_err(|e| js_error(&e))?;
    convert::plain(&check)
}

/// A loaded model.
#[wasm_bindgen]
pub struct Model(Session);

#[wasm_bindgen]
impl Model {
    /// Loads a model file. Consumes the bytes.
    pub fn load(bytes: ModelBytes) -> JsResult<Model> {
        Session::from_file(bytes.file()?, &SessionOptions::default())
            .map(Model)
            .map_err(|e| js_error(&e))
    }

    /// Inputs and outputs: names, types, shapes.
    pub fn signature(&self) -> JsResult<JsValue> {
        convert::plain(self.0.signature())
    }

    /// What the model is made of.
    pub fn inspect(&self) -> JsResult<JsValue> {
        convert::plain(self.0.inspection())
    }

    /// Runs once: `feeds` is an array of `{name, type, dims, data}`, or of `{name, sequence}` with a
    /// list of those, or of `{name, absent: true}`; without `fetches` all outputs come back, in the
    /// same form. With `profile` each node's time comes too.
    pub fn run(
        &self,
        feeds: &Array,
        fetches: Option<Vec<String>>,
        profile: Option<bool>,
    ) -> JsResult<Object> {
        let feeds = feeds.iter().map(|f| from_wire(&f)).collect::<JsResult<Vec<_>>>()?;
        let (fetches, profile) = (fetches.unwrap_or_default(), profile.unwrap_or_default());
        let result = self.0.run_values(feeds, &fetches, profile).map_err(|e| js_error(&e))?;
        let object = result_object(&result);
        if profile {
            Reflect::set(&object, &"profile".into(), &convert::plain(&result.profile)?)?;
        }
        for (_, value) in result.outputs {
            if let Value::Tensor(tensor) = value {
                tensor.let_go();
            }
        }
        Ok(object)
    }
}

#[wasm_bindgen]
extern "C" {
    /// What a run gives.
    #[wasm_bindgen(extends = Object)]
    type Answer;

    #[wasm_bindgen(method, setter)]
    fn set_outputs(this: &Answer, outputs: &Array);
    #[wasm_bindgen(method, setter, js_name = "planMs")]
    fn set_plan_ms(this: &Answer, ms: f64);
    #[wasm_bindgen(method, setter, js_name = "runMs")]
    fn set_run_ms(this: &Answer, ms: f64);
    #[wasm_bindgen(method, setter)]
    fn set_planned(this: &Answer, planned: bool);
}

/// Outputs and times.
fn result_object(result: &RunResult<Value>) -> Object {
    let outputs = Array::new();
    for (name, value) in &result.outputs {
        outputs.push(&to_wire(name, value));
    }
    let answer: Answer = Object::new().unchecked_into();
    answer.set_outputs(&outputs);
    answer.set_plan_ms(result.plan_ms);
    answer.set_run_ms(result.run_ms);
    answer.set_planned(result.planned);
    answer.into()
}
