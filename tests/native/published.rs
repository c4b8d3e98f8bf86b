//! A model beside its published form.
//!
//! In: a model's bytes, inputs, and what the model answered to them. Out: why the form has no plan for them, if it has
//! none; an error where the form gives other bits, or where either refuses what the other takes.

use nearside::publish::{Shapes, publish};
use nearside::{ModelFile, Session, SessionOptions, Tensor};

type Named = Vec<(String, Tensor)>;

/// Publishes the model for the shapes of `inputs`, and compares.
pub(crate) fn compare(
    bytes: Vec<u8>,
    inputs: Named,
    answer: &Result<Named, String>,
    options: &SessionOptions,
) -> Result<Option<String>, String> {
    let text = |e: nearside::Error| format!("the published form: {e}");
    let file = match ModelFile::decode(bytes) {
        Ok(file) => file,
        Err(_) if answer.is_err() => return Ok(Some("the model is refused".to_owned())),
        Err(error) => return Err(text(error)),
    };
    let shapes: Shapes = inputs.iter().map(|(n, t)| (n.clone(), t.shape().to_vec())).collect();
    let publication = match publish(file, &[shapes], false) {
        Ok(publication) => publication,
        // What is wrong with the model is wrong with its form.
        Err(_) if answer.is_err() => return Ok(Some("the model is refused".to_owned())),
        Err(error) => return Err(text(error)),
    };
    let left_out = publication.plans.into_iter().find_map(|(_, left_out)| left_out);
    let form = ModelFile::decode(publication.bytes).and_then(|f| Session::from_file(f, options));
    let made = form.and_then(|session| session.run(inputs, &[]));
    match (answer, made) {
        (Ok(wanted), Ok(made)) => same(wanted, &made.outputs)?,
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => return Err(text(error)),
        (Err(error), Ok(_)) => return Err(format!("the form runs, the model does not: {error}")),
    }
    Ok(left_out.map(|e| e.to_string()))
}

fn same(wanted: &Named, made: &Named) -> Result<(), String> {
    if wanted.len() != made.len() {
        return Err(format!("the form gives {} outputs, not {}", made.len(), wanted.len()));
    }
    for ((name, wanted), (_, made)) in wanted.iter().zip(made) {
        let alike = wanted.dtype() == made.dtype()
            && wanted.shape() == made.shape()
            && wanted.bytes() == made.bytes()
            && wanted.strings() == made.strings();
        if !alike {
            return Err(format!("the form gives other bits for `{name}`"));
        }
    }
    Ok(())
}
