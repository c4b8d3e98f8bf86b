//! A reader of flexbuffers, in which custom operators keep their options: numbers of a map, by name.
//!
//! In: untrusted bytes. Out: the number under a key. The format: <https://flatbuffers.dev/flexbuffers>. What is out of
//! bounds reads as absent.

/// The kinds of values that are read, from a packed type's upper six bits.
const INT: u8 = 1;
const UINT: u8 = 2;
const FLOAT: u8 = 3;
const MAP: u8 = 9;
const BOOL: u8 = 26;

/// A map: where its values are, how wide they are, and how many there are.
#[derive(Clone, Copy)]
pub(super) struct Map<'a> {
    bytes: &'a [u8],
    values: usize,
    width: usize,
    count: usize,
}

fn uint(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let raw = bytes.get(at..at.checked_add(width)?)?;
    let mut wide = [0; 8];
    wide.get_mut(..width)?.copy_from_slice(raw);
    Some(u64::from_le_bytes(wide))
}

/// Where the offset at a place leads to: so many bytes back.
fn back(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    at.checked_sub(usize::try_from(uint(bytes, at, width)?).ok()?)
}

impl<'a> Map<'a> {
    pub(super) fn root(bytes: &'a [u8]) -> Option<Self> {
        let (kind, width) = (*bytes.get(bytes.len().checked_sub(2)?)?, usize::from(*bytes.last()?));
        if kind >> 2 != MAP || !matches!(width, 1 | 2 | 4 | 8) {
            return None;
        }
        let values = back(bytes, bytes.len().checked_sub(2 + width)?, width)?;
        let width = 1 << (kind & 3);
        let count = usize::try_from(uint(bytes, values.checked_sub(width)?, width)?).ok()?;
        Some(Self { bytes, values, width, count })
    }

    /// The number under a key.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        let Self { bytes, values, width, count } = *self;
        let keys = back(bytes, values.checked_sub(3 * width)?, width)?;
        let key_width =
            usize::try_from(uint(bytes, values.checked_sub(2 * width)?, width)?).ok()?;
        let named = |index: &usize| {
            let at = back(bytes, keys.checked_add(index.checked_mul(key_width)?)?, key_width)?;
            let rest = bytes.get(at..)?;
            Some(rest.get(..key.len())? == key.as_bytes() && rest.get(key.len()) == Some(&0))
        };
        let index = (0..count.min(bytes.len())).find(|index| named(index) == Some(true))?;
        let at = values.checked_add(index.checked_mul(width)?)?;
        let types = values.checked_add(count.checked_mul(width)?)?;
        let kind = *bytes.get(types.checked_add(index)?)? >> 2;
        let raw = uint(bytes, at, width)?;
        let above = 64 - 8 * width as u32;
        Some(match kind {
            INT => ((raw << above).cast_signed() >> above) as f64,
            UINT | BOOL => raw as f64,
            FLOAT if width == 4 => f64::from(f32::from_bits(raw as u32)),
            FLOAT if width == 8 => f64::from_bits(raw),
            _ => return None,
        })
    }
}
