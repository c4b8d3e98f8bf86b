//! `nearside optimize MODEL -o DIR`: a model's published form, which loads without importing.
//!
//! In: a model file, and the shapes that it will be run with. Out: `DIR/model.nearside`. The one decision: what was
//! written is loaded again and run beside the model itself, and only then is it said to be done.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nearside::publish::{Publication, Shapes, publish, usual_shape};
use nearside::{DType, Dim, ErrorKind, ModelFile, Session, SessionOptions, Signature, Tensor};
use serde::Serialize;

use crate::failure::Failure;
use crate::read::{ReadArgs, size};
use crate::style::{FAINT, RESET};

const FILE: &str = "model.nearside";

const EXAMPLES: &str = "\
The published form holds the model as it was, once, and plans for the shapes that it will be run with: \
graphs that were imported, rewritten and simplified already. It loads wherever an ONNX file does: in the \
npm package, `nearside run`, `serve`, the edge. A model of fixed shapes needs no --shape; open dimensions \
are taken at the front, the batch, are taken as 1 where nothing says otherwise. Other shapes run too, planned when they come. A version of \
nearside with another edition of plans takes the model itself.

Examples:
  nearside optimize model.onnx -o models/digits/1
  nearside optimize detector.onnx -o out --shape images=1x3x416x416 --shape images=1x3x640x640
  nearside optimize minilm.onnx -o out --dim batch_size=1 --dim sequence_length=128
  nearside optimize vad.onnx -o out --shape input=1x512 --shape state=2x1x128";

/// Writes a model's published form, which loads faster
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A model file, or `-` for standard input
    model: String,
    /// The folder to write model.nearside to; made where there is none
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// A shape of an input; may be repeated, for other inputs, or for the same ones to have another plan. An input
    /// that is not named has its declared shape
    #[arg(long = "shape", value_name = "NAME=AxBxC[,…]", value_parser = parse_shapes)]
    shapes: Vec<Shapes>,
    /// What an open dimension is where --shape does not say it
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    dims: Vec<(String, usize)>,
    /// Leave the model itself out: smaller where plans have weights of their own, but no other shapes, no GPU, and no
    /// other edition of nearside
    #[arg(long)]
    plans_only: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    read: ReadArgs,
}

fn parse_dim(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.rsplit_once('=').ok_or("a dimension looks like batch=8")?;
    let size = size.parse().map_err(|_| format!("`{size}` is no size"))?;
    Ok((name.to_owned(), size))
}

fn parse_shapes(text: &str) -> Result<Shapes, String> {
    let one = |part: &str| {
        let (name, shape) = part.rsplit_once('=').ok_or("a shape looks like input=1x3x224x224")?;
        let sizes = shape.split('x').filter(|s| !s.is_empty() || shape.contains('x'));
        let sizes = sizes.map(|s| s.parse().map_err(|_| format!("`{s}` in `{part}` is no size")));
        Ok((name.to_owned(), sizes.collect::<Result<Vec<usize>, String>>()?))
    };
    text.split(',').map(one).collect()
}

pub(crate) fn call(args: Args) -> Result<String, Failure> {
    let reader = args.read.reader();
    let progress = reader.progress;
    let file = reader.whole_model(&args.model)?;
    let about = nearside::inspect(&file)?;
    let sets = sets(&about.signature, &args)?;
    let publication = {
        let _bar = progress.work("planning");
        publish(file, &sets, args.plans_only)?
    };
    let path = args.output.join(FILE);
    write(&path, &publication.bytes)?;
    let trial = {
        let _bar = progress.work("comparing");
        let model = reader.whole_model(&args.model);
        // What came from standard input is gone.
        model.ok().map(|model| Trial::of(model, &publication, &sets)).transpose()?
    };
    let report = Report {
        file: path.display().to_string(),
        bytes: publication.bytes.len(),
        model_bytes: about.bytes,
        plans_only: args.plans_only,
        plans: publication.plans.iter().map(Plan::of).collect(),
        trial,
    };
    if args.json {
        let json = serde_json::to_string(&report);
        return json.map(|text| text + "\n").map_err(|e| internal(e.to_string()));
    }
    Ok(report.page())
}

/// The sets of shapes that were asked for, or the usual one.
fn sets(signature: &Signature, args: &Args) -> Result<Vec<Shapes>, Failure> {
    let unknown = |dim: &&(String, usize)| {
        let of = |d: &Dim| matches!(d, Dim::Symbol(s) if *s == dim.0);
        !signature.inputs.iter().any(|i| i.shape.iter().any(of))
    };
    if let Some((name, _)) = args.dims.iter().find(unknown) {
        let text = format!("no input has a dimension `{name}`");
        return Err(Failure::new(ErrorKind::InvalidInput, text)
            .help("`nearside inspect` shows the names of a model's dimensions"));
    }
    let mut named = signature.clone();
    for dim in named.inputs.iter_mut().flat_map(|input| &mut input.shape) {
        let size = args.dims.iter().find(|(name, _)| matches!(dim, Dim::Symbol(s) if s == name));
        if let Some((_, size)) = size {
            *dim = Dim::Known(*size);
        }
    }
    let filled = |given: &Shapes| {
        let mut set = given.clone();
        for input in named.inputs.iter().filter(|i| !given.iter().any(|(n, _)| *n == i.name)) {
            let open = || {
                let text = format!("the shape of input `{}` is open", input.name);
                Failure::new(ErrorKind::InvalidInput, text)
                    .help("name it with --shape, or its dimensions with --dim")
            };
            set.push((input.name.clone(), usual_shape(input).ok_or_else(open)?));
        }
        Ok(set)
    };
    if args.shapes.is_empty() {
        // Nobody asked for a plan.
        let asked = !args.dims.is_empty();
        let usual = filled(&vec![]);
        return if asked { Ok(vec![usual?]) } else { Ok(usual.into_iter().collect()) };
    }
    let mut sets: Vec<Shapes> = vec![];
    for (name, shape) in args.shapes.iter().flatten() {
        match sets.last_mut().filter(|set| !set.iter().any(|(known, _)| known == name)) {
            Some(set) => set.push((name.clone(), shape.clone())),
            None => sets.push(vec![(name.clone(), shape.clone())]),
        }
    }
    sets.iter().map(filled).collect()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        let text = format!("cannot write {}: {}", path.display(), crate::read::text(&e));
        Failure::new(ErrorKind::Io, text)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Whoever reads the folder sees the old file or the new one; who else writes there has a part of its own.
    let part = path.with_extension(format!("nearside.{}.part", std::process::id()));
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.map_err(failed)
}

/// The model and its form beside each other, on zeros.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trial {
    /// Milliseconds to load and plan the model itself.
    model_ms: f64,
    /// Milliseconds to load the form and make its plan ready.
    form_ms: f64,
    /// Whether the outputs have the same bits; nothing where the model refuses zeros.
    same: Option<bool>,
}

impl Trial {
    fn of(model: ModelFile, publication: &Publication, sets: &[Shapes]) -> Result<Self, Failure> {
        let planned = publication.plans.iter().find(|(_, left_out)| left_out.is_none());
        let shapes = planned.map(|(shapes, _)| shapes).or(sets.first());
        let (outputs, model_ms) = ready(|| Ok(model), shapes)?;
        let (made, form_ms) = ready(|| ModelFile::decode(publication.bytes.clone()), shapes)?;
        let same = outputs.zip(made).map(|(wanted, made)| {
            wanted.iter().zip(&made).all(|((_, a), (_, b))| {
                a.shape() == b.shape() && a.bytes() == b.bytes() && a.strings() == b.strings()
            })
        });
        if same == Some(false) {
            return Err(internal("the published form gives other bits than the model"));
        }
        Ok(Self { model_ms, form_ms, same })
    }
}

type Outputs = Vec<(String, Tensor)>;

/// Loads a model and runs it on zeros; the outputs where it takes them, and how long loading and planning took.
fn ready(
    file: impl FnOnce() -> nearside::Result<ModelFile>,
    shapes: Option<&Shapes>,
) -> Result<(Option<Outputs>, f64), Failure> {
    let since = Instant::now();
    let session = Session::from_file(file()?, &SessionOptions::default())?;
    let loaded = since.elapsed().as_secs_f64() * 1e3;
    let Some(shapes) = shapes else { return Ok((None, loaded)) };
    let feeds = session.signature().inputs.iter().filter_map(|input| {
        let (name, shape) = shapes.iter().find(|(name, _)| *name == input.name)?;
        let count: usize = shape.iter().product();
        let zeros = match input.dtype {
            DType::String => Tensor::from_strings(shape, vec![String::new(); count]),
            dtype => Tensor::from_bytes(dtype, shape, &vec![0; count * dtype.size()]),
        };
        Some(zeros.map(|zeros| (name.clone(), zeros)))
    });
    let feeds = feeds.collect::<nearside::Result<Vec<_>>>()?;
    match session.run(feeds, &[]) {
        Ok(result) => Ok((Some(result.outputs), loaded + result.plan_ms)),
        Err(_) => Ok((None, loaded)),
    }
}

fn internal(text: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Internal, text)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    file: String,
    bytes: usize,
    model_bytes: usize,
    plans_only: bool,
    plans: Vec<Plan>,
    #[serde(flatten)]
    trial: Option<Trial>,
}

#[derive(Serialize)]
struct Plan {
    inputs: Vec<Input>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
}

#[derive(Serialize)]
struct Input {
    name: String,
    shape: Vec<usize>,
}

impl Plan {
    fn of((shapes, left_out): &(Shapes, Option<nearside::Error>)) -> Self {
        let input = |(name, shape): &(String, Vec<usize>)| Input {
            name: name.clone(),
            shape: shape.clone(),
        };
        let left_out = left_out.as_ref().map(|e| e.message().to_owned());
        Self { inputs: shapes.iter().map(input).collect(), left_out }
    }

    fn line(&self) -> String {
        let input = |input: &Input| {
            let sizes: Vec<_> = input.shape.iter().map(ToString::to_string).collect();
            format!(
                "{} {}",
                input.name,
                if sizes.is_empty() { "scalar".into() } else { sizes.join("x") }
            )
        };
        let inputs = self.inputs.iter().map(input).collect::<Vec<_>>().join(", ");
        match &self.left_out {
            None => format!("  plan   {inputs}\n"),
            Some(reason) => format!(
                "  {FAINT}none   {inputs}: {reason}; it is planned when it comes, as from the model itself{RESET}\n"
            ),
        }
    }
}

impl Report {
    fn page(&self) -> String {
        let (form, model) = (size(self.bytes as u64), size(self.model_bytes as u64));
        let mut page = format!("wrote  {}\n  size   {form}, the model has {model}\n", self.file);
        if self.bytes > self.model_bytes + self.model_bytes / 4 && !self.plans_only {
            page += "         plans have weights of their own; --plans-only leaves the model itself out\n";
        }
        page.extend(self.plans.iter().map(Plan::line));
        if self.plans.is_empty() {
            page += "  none   dimensions are open: a plan for --shape or --dim would spare the first run planning\n";
        }
        if let Some(Trial { model_ms, form_ms, same }) = self.trial {
            page += &format!("  ready  in {form_ms:.1} ms, the model itself in {model_ms:.1} ms\n");
            page += match same {
                Some(_) => "  same   outputs, bit for bit, on zeros\n",
                None => "  same   not compared: the model takes no zeros\n",
            };
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let set = |text| parse_shapes(text).ok();
        assert_eq!(set("x=1x3"), Some(vec![("x".to_owned(), vec![1, 3])]));
        assert_eq!(set("a=2,b="), Some(vec![("a".to_owned(), vec![2]), ("b".to_owned(), vec![])]));
        for bad in ["", "x", "x=1x", "x=1xa", "x=-1"] {
            assert!(set(bad).is_none(), "{bad}");
        }
    }
}
