//! SHA-1, which ONNX names for the checksums of files beside a model.
//!
//! In: bytes, in chunks. Out: the digest in hexadecimal digits. It finds damage; it is no proof of origin.

pub(super) struct Sha1 {
    state: [u32; 5],
    block: Vec<u8>,
    length: u64,
}

const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

impl Default for Sha1 {
    fn default() -> Self {
        Self { state: START, block: Vec::with_capacity(64), length: 0 }
    }
}

impl Sha1 {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if !self.block.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(64 - self.block.len()));
            self.block.extend_from_slice(head);
            bytes = rest;
            if self.block.len() < 64 {
                return;
            }
            let block = std::mem::take(&mut self.block);
            block.as_chunks().0.iter().for_each(|b| self.mix(b));
        }
        let (blocks, rest) = bytes.as_chunks();
        blocks.iter().for_each(|b| self.mix(b));
        self.block.extend_from_slice(rest);
    }

    pub(super) fn digest(mut self) -> String {
        let bits = self.length * 8;
        let mut tail = std::mem::take(&mut self.block);
        tail.push(0x80);
        while tail.len() % 64 != 56 {
            tail.push(0);
        }
        tail.extend(bits.to_be_bytes());
        tail.as_chunks().0.iter().for_each(|b| self.mix(b));
        self.state.iter().map(|word| format!("{word:08x}")).collect()
    }

    fn mix(&mut self, block: &[u8; 64]) {
        let mut w = [0u32; 80];
        for (word, bytes) in w.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for i in 16..80 {
            w[i] = (w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for (i, word) in w.iter().enumerate() {
            let (f, k) = match i / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e);
            let next = next.wrapping_add(k).wrapping_add(*word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (word, add) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *word = word.wrapping_add(add);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let digest = |bytes: &[u8], by: usize| {
            let mut sha = Sha1::default();
            bytes.chunks(by).for_each(|chunk| sha.update(chunk));
            sha.digest()
        };
        assert_eq!(digest(b"", 1), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(digest(b"abc", 3), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let million = vec![b'a'; 1_000_000];
        for by in [1000, 63, 64, 65] {
            assert_eq!(digest(&million, by), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
        }
    }
}
