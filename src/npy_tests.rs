//! Arrays as NumPy writes them, by hand; and every type out and in again.

use super::*;

/// A version 1.0 file with this header text.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    let mut text = header.as_bytes().to_vec();
    text.resize((text.len() + 11).next_multiple_of(64) - 11, b' ');
    text.push(b'\n');
    file.extend_from_slice(&(text.len() as u16).to_le_bytes());
    file.extend_from_slice(&text);
    file.extend_from_slice(data);
    file
}

fn array(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    file(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"), data)
}

#[test]
fn every_type_goes_out_and_in() -> Result<()> {
    let types = [
        (DType::Float32, 4),
        (DType::Float64, 8),
        (DType::Float16, 2),
        (DType::Int8, 1),
        (DType::Int16, 2),
        (DType::Int32, 4),
        (DType::Int64, 8),
        (DType::Uint8, 1),
        (DType::Uint16, 2),
        (DType::Uint32, 4),
        (DType::Uint64, 8),
        (DType::Bool, 1),
    ];
    let mut arrays = vec![];
    for (dtype, size) in types {
        let bytes: Vec<u8> = (0..6 * size).map(|i| if size == 1 { i % 2 } else { i }).collect();
        arrays.push((dtype.name().to_owned(), Tensor::from_bytes(dtype, &[2, 3], &bytes)?));
    }
    let words = ["", "ä", "word", "日本"].map(String::from).to_vec();
    arrays.push(("a/b.c".to_owned(), Tensor::from_strings(&[2, 2], words)?));
    arrays.push(("scalar".to_owned(), Tensor::from_bytes(DType::Int64, &[], &[7; 8])?));
    arrays.push(("empty".to_owned(), Tensor::from_bytes(DType::Float32, &[0, 3], &[])?));
    arrays.push(("no words".to_owned(), Tensor::from_strings(&[0], vec![])?));
    let back = read_npz(&write_npz(&arrays)?)?;
    assert_eq!(back.len(), arrays.len());
    for ((name, wrote), (name_back, read)) in arrays.iter().zip(&back) {
        assert_eq!((name, wrote.dtype(), wrote.shape()), (name_back, read.dtype(), read.shape()));
        assert_eq!((wrote.bytes(), wrote.strings()), (read.bytes(), read.strings()));
    }
    Ok(())
}

#[test]
fn both_byte_orders_and_both_axis_orders() -> Result<()> {
    let rows = Tensor::try_from((&[2usize, 3][..], &[1i16, 2, 3, 4, 5, 6][..]))?;
    let little: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = [1i16, 2, 3, 4, 5, 6].iter().flat_map(|v| v.to_be_bytes()).collect();
    let big_columns: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|v| v.to_be_bytes()).collect();
    for bytes in [
        array("<i2", true, "(2, 3)", &little),
        array(">i2", false, "(2, 3)", &big),
        array(">i2", true, "(2, 3)", &big_columns),
    ] {
        let read = read_npy(&bytes)?;
        assert_eq!((read.shape(), read.bytes()), (rows.shape(), rows.bytes()));
    }
    let cube: Vec<u8> = (0..24).collect();
    let read = read_npy(&array("|u1", true, "(2, 3, 4)", &cube))?;
    // Element (i, j, k) lies at i + 2j + 6k.
    let wanted: Vec<u8> = (0..24u8).map(|n| n / 12 + 2 * (n / 4 % 3) + 6 * (n % 4)).collect();
    assert_eq!(read.bytes(), wanted);
    Ok(())
}

#[test]
fn strings_of_both_kinds() -> Result<()> {
    let wide: Vec<u8> = "hi\0añb".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let read = read_npy(&array(">U3", false, "(2,)", &wide))?;
    assert_eq!(read.strings(), Some(&["hi".to_owned(), "añb".to_owned()][..]));
    let read = read_npy(&array("|S3", false, "(2,)", b"hi\0yes"))?;
    assert_eq!(read.strings(), Some(&["hi".to_owned(), "yes".to_owned()][..]));
    assert!(read_npy(&array("|S1", false, "(1,)", b"\xff")).is_err());
    assert!(read_npy(&array("<U1", false, "(1,)", &[0, 0xd8, 0, 0])).is_err());
    Ok(())
}

#[test]
fn what_is_no_array_says_so() {
    let cases: [(Vec<u8>, &str); 11] = [
        (vec![], "not a NumPy array"),
        (b"{\"a\": 1}".to_vec(), "not a NumPy array"),
        (b"\x93NUMPY\x01\x00\xff".to_vec(), "cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(), "cut off"),
        (array("<f4", false, "(3,)", &[0; 8]), "is it complete?"),
        (array("|O", false, "(1,)", b"\x80\x03."), "Python objects"),
        (array("<c8", false, "(1,)", &[0; 8]), "<c8"),
        (array("<M8[s]", false, "(1,)", &[0; 8]), "M8[s]"),
        (array("<f4", false, "(4294967296, 4294967296, 4)", &[]), ""),
        (file("[('a', '<f4')]", &[]), "header cannot be read"),
        (file(&"(".repeat(9000), &[]), "not one that NumPy writes"),
    ];
    for (bytes, words) in cases {
        let error = read_npy(&bytes).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(words), "{text}");
        assert_eq!(error.row().exit, 3, "{text}");
    }
    assert!(read_npz(b"PK\x03\x04 nonsense").is_err());
}
