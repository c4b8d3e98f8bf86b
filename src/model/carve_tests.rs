//! What is carved out of a model and what stays, on models made by hand.

use prost::Message;
use tract_onnx::pb;

use super::*;

fn model() -> pb::ModelProto {
    let tensor = |name: &str, data_type: i32, bytes: usize, dims: Vec<i64>| pb::TensorProto {
        name: name.to_owned(),
        dims,
        data_type,
        raw_data: (0..bytes).map(|i| i as u8).collect(),
        ..pb::TensorProto::default()
    };
    let initializer = vec![
        tensor("large", 2, 5000, vec![5000]),
        tensor("small", 2, 3, vec![3]),
        tensor("wrong", 1, 6000, vec![7]),
        tensor("larger", 1, 70_000, vec![250, 70]),
    ];
    let node = vec![pb::NodeProto { op_type: "Add".to_owned(), ..pb::NodeProto::default() }];
    pb::ModelProto {
        ir_version: 9,
        producer_name: "test".to_owned(),
        graph: Some(pb::GraphProto { initializer, node, ..pb::GraphProto::default() }),
        ..pb::ModelProto::default()
    }
}

fn carved(bytes: &[u8], piece: usize) -> Result<Option<Carved>> {
    let mut carver = Carver::new(bytes.len());
    for chunk in bytes.chunks(piece) {
        carver.append(chunk)?;
    }
    Ok(carver.finish())
}

#[test]
fn what_is_put_back_is_what_was_taken() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let model = model();
    let bytes = model.encode_to_vec();
    for piece in [1, 7, 19, 4096, bytes.len()] {
        let carved = carved(&bytes, piece)?.ok_or("malformed")?;
        assert!(carved.file.len() < 300, "{}", carved.file.len());
        let mut decoded = pb::ModelProto::decode(&carved.file[..])?;
        let graph = decoded.graph.as_mut().ok_or("no graph")?;
        let tensors = carved.weights.iter().filter(|(_, d)| matches!(d, Data::Tensor(_)));
        assert_eq!(tensors.count(), 2, "the one of the wrong length is bytes");
        for (index, data) in carved.weights {
            graph.initializer[index].raw_data = data.into_bytes();
        }
        assert_eq!(decoded, model, "in pieces of {piece}");
    }
    Ok(())
}

#[test]
fn packed_floats_become_raw_data() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut model = model();
    let tensor = pb::TensorProto {
        data_type: 1,
        dims: vec![2000],
        float_data: (0..2000u16).map(f32::from).collect(),
        ..pb::TensorProto::default()
    };
    let graph = model.graph.as_mut().ok_or("no graph")?;
    graph.initializer = vec![tensor.clone()];
    let carved = carved(&model.encode_to_vec(), 1000)?.ok_or("malformed")?;
    let decoded = pb::ModelProto::decode(&carved.file[..])?;
    let graph = decoded.graph.ok_or("no graph")?;
    let bytes: Vec<u8> = tensor.float_data.iter().flat_map(|f| f.to_le_bytes()).collect();
    let made = graph.initializer.first().ok_or("no tensor")?;
    let [(0, data)] = &carved.weights[..] else { return Err("no weight".into()) };
    let Data::Tensor(data) = data else { return Err("no tensor".into()) };
    assert!(made.float_data.is_empty() && made.dims == [2000] && data.bytes() == bytes);
    Ok(())
}

#[test]
fn what_is_cut_off_is_malformed() -> Result<()> {
    let bytes = model().encode_to_vec();
    for length in (1..bytes.len()).step_by(997) {
        let carved = carved(&bytes[..length], 64)?;
        // A file may end between two fields.
        assert!(carved.is_none_or(|c| c.file.len() <= length), "{length}");
    }
    assert!(carved(&[0xff; 40], 40)?.is_none());
    Ok(())
}

#[test]
fn what_is_promised_and_not_there_takes_no_room() -> Result<()> {
    // A graph, an initializer and raw data of a gigabyte each.
    let mut file = vec![];
    for tag in [GRAPH, INITIALIZER, RAW_DATA] {
        put_varint(tag, &mut file);
        put_varint((1 << 30) - 100 * file.len() as u64, &mut file);
    }
    let mut carver = Carver::new(file.len());
    carver.append(&file)?;
    let room = match &carver.way {
        Some((Way::Raw(Room::Bytes(room)), _)) => room.capacity(),
        _ => usize::MAX,
    };
    assert!(room < 1000);
    assert!(carver.finish().is_none());
    Ok(())
}
