//! The texts of kernels as they are shipped: without their comments and indentation, which no compiler needs.
//!
//! In: a `.wgsl` file. Out: `wgsl!("file.wgsl")`, its text, made while the engine is compiled. WGSL has no strings, so
//! that a comment is whatever follows two slashes.

/// What is left of line `from..to` of `text`: without its comment and the blanks around it.
const fn line(text: &[u8], mut from: usize, mut to: usize) -> (usize, usize) {
    let mut at = from;
    while at + 1 < to {
        if text[at] == b'/' && text[at + 1] == b'/' {
            to = at;
        }
        at += 1;
    }
    while from < to && text[from] == b' ' {
        from += 1;
    }
    while to > from && text[to - 1] == b' ' {
        to -= 1;
    }
    (from, to)
}

/// `text` as it is shipped, filled up with line ends, and how many bytes it takes.
pub(super) const fn shipped<const N: usize>(text: &[u8]) -> ([u8; N], usize) {
    let mut made = [b'\n'; N];
    let (mut count, mut start) = (0, 0);
    while start < text.len() {
        let mut end = start;
        while end < text.len() && text[end] != b'\n' {
            end += 1;
        }
        let (mut at, to) = line(text, start, end);
        if at < to {
            while at < to {
                if count < N {
                    made[count] = text[at];
                }
                count += 1;
                at += 1;
            }
            // The line's end.
            count += 1;
        }
        start = end + 1;
    }
    (made, count)
}

macro_rules! wgsl {
    ($file:literal) => {{
        const FILE: &[u8] = include_bytes!($file);
        const LENGTH: usize = $crate::gpu::kernels::text::shipped::<0>(FILE).1;
        const TEXT: [u8; LENGTH] = $crate::gpu::kernels::text::shipped::<LENGTH>(FILE).0;
        match std::str::from_utf8(&TEXT) {
            Ok(text) => text,
            Err(_) => "",
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_are_not_shipped() {
        const FILE: &[u8] = b"// About.\n\nfn f() {\n  a / b; // why\n}\n";
        const LENGTH: usize = shipped::<0>(FILE).1;
        assert_eq!(&shipped::<LENGTH>(FILE).0, b"fn f() {\na / b;\n}\n");
    }
}
