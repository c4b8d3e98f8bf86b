//! The elements of a tensor as f64, for comparisons.

use nearside::{DType, Tensor};

/// Exact for every type but 64-bit integers beyond 2^53, which no reference holds.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>, String> {
    macro_rules! read {
        ($t:ty) => {
            tensor
                .bytes()
                .chunks_exact(size_of::<$t>())
                .map(|c| <$t>::from_le_bytes(c.try_into().expect("exact")) as f64)
                .collect()
        };
    }
    Ok(match tensor.dtype() {
        DType::Float32 => read!(f32),
        DType::Float64 => read!(f64),
        DType::Float16 => tensor
            .bytes()
            .chunks_exact(2)
            .map(|c| half::f16::from_le_bytes([c[0], c[1]]).to_f64())
            .collect(),
        DType::Int8 => read!(i8),
        DType::Int16 => read!(i16),
        DType::Int32 => read!(i32),
        DType::Int64 => read!(i64),
        DType::Uint8 | DType::Bool => read!(u8),
        DType::Uint16 => read!(u16),
        DType::Uint32 => read!(u32),
        DType::Uint64 => read!(u64),
        DType::String => return Err("strings are no numbers".to_owned()),
    })
}
