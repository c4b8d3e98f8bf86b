//! A reader of flatbuffers.
//!
//! In: untrusted bytes. Out: the fields of their tables. What is out of bounds reads as absent, so that a
//! damaged file is a file with something missing, which whoever needs it names.

/// A table: where its fields are.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(|b| u32::from_le_bytes(b) as usize)
}

impl<'a> Table<'a> {
    pub(super) fn root(bytes: &'a [u8]) -> Option<Self> {
        Some(Self { bytes, at: u32_at(bytes, 0)? })
    }

    /// Where a field's value is; none where it has its default.
    fn field(&self, number: usize) -> Option<usize> {
        let back = i64::from(i32::from_le_bytes(array(self.bytes, self.at)?));
        let vtable = usize::try_from(i64::try_from(self.at).ok()? - back).ok()?;
        let size = usize::from(u16::from_le_bytes(array(self.bytes, vtable)?));
        let entry = 4 + 2 * number;
        if entry + 2 > size {
            return None;
        }
        let offset =
            usize::from(u16::from_le_bytes(array(self.bytes, vtable.checked_add(entry)?)?));
        (offset != 0).then(|| self.at + offset)
    }

    /// What a field's offset leads to.
    fn target(&self, number: usize) -> Option<usize> {
        let at = self.field(number)?;
        at.checked_add(u32_at(self.bytes, at)?)
    }

    pub(super) fn int8(&self, number: usize) -> i8 {
        self.int8_or(number, 0)
    }

    pub(super) fn int8_or(&self, number: usize, default: i8) -> i8 {
        let value = self.field(number).and_then(|at| array(self.bytes, at));
        value.map_or(default, i8::from_le_bytes)
    }

    pub(super) fn int(&self, number: usize, default: i32) -> i32 {
        let value = self.field(number).and_then(|at| array(self.bytes, at));
        value.map_or(default, i32::from_le_bytes)
    }

    pub(super) fn float(&self, number: usize) -> f32 {
        self.field(number).and_then(|at| array(self.bytes, at)).map_or(0.0, f32::from_le_bytes)
    }

    pub(super) fn table(&self, number: usize) -> Option<Self> {
        Some(Self { bytes: self.bytes, at: self.target(number)? })
    }

    /// The elements of a vector, `size` bytes each.
    fn vector(&self, number: usize, size: usize) -> Option<&'a [u8]> {
        let at = self.target(number)?;
        let length = u32_at(self.bytes, at)?.checked_mul(size)?;
        self.bytes.get(at + 4..(at + 4).checked_add(length)?)
    }

    pub(super) fn bytes(&self, number: usize) -> Option<&'a [u8]> {
        self.vector(number, 1)
    }

    pub(super) fn text(&self, number: usize) -> String {
        String::from_utf8_lossy(self.bytes(number).unwrap_or_default()).into_owned()
    }

    pub(super) fn ints(&self, number: usize) -> Vec<i32> {
        let (items, _) = self.vector(number, 4).unwrap_or_default().as_chunks();
        items.iter().map(|b| i32::from_le_bytes(*b)).collect()
    }

    pub(super) fn shorts(&self, number: usize) -> Vec<u16> {
        let (items, _) = self.vector(number, 2).unwrap_or_default().as_chunks();
        items.iter().map(|b| u16::from_le_bytes(*b)).collect()
    }

    pub(super) fn longs(&self, number: usize) -> Vec<i64> {
        let (items, _) = self.vector(number, 8).unwrap_or_default().as_chunks();
        items.iter().map(|b| i64::from_le_bytes(*b)).collect()
    }

    pub(super) fn floats(&self, number: usize) -> Vec<f32> {
        let (items, _) = self.vector(number, 4).unwrap_or_default().as_chunks();
        items.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub(super) fn tables(&self, number: usize) -> Vec<Self> {
        let Some(vector) = self.vector(number, 4) else { return vec![] };
        let start = vector.as_ptr() as usize - self.bytes.as_ptr() as usize;
        let places = (start..start + vector.len()).step_by(4);
        places
            .filter_map(|at| at.checked_add(u32_at(self.bytes, at)?))
            .map(|at| Self { bytes: self.bytes, at })
            .collect()
    }
}
