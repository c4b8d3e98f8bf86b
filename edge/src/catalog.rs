//! Which models there are, in the bucket and among the static assets.
//!
//! In: a model's name. Out: its versions, each with its place, its size where it is known and a tag that
//! changes with the content. Listings are believed for a while, because each costs a request.

use std::cell::RefCell;
use std::collections::BTreeMap;

use nearside::protocol::route::{is_model_name, parse_version};
use nearside::{Error, ErrorKind, Result};
use worker::{Bucket, Date, Env, Fetcher, Method, RequestInit};

use crate::config::{self, Config};
use crate::http;

/// The model's own file in a version's folder; the first one that is there.
const FILES: [&str; 3] = ["model.nearside", "model.onnx", "model.tflite"];
/// Listings kept at most; names come from callers.
const MAX_LISTINGS: usize = 256;
/// Pages of a bucket's listing that are read at most, 1000 keys each.
const MAX_PAGES: usize = 20;

/// Where a version's file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Bucket,
    Assets,
}

/// One version's file.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    /// The name of the model's own file.
    pub(crate) file: &'static str,
    pub(crate) bytes: Option<u64>,
    pub(crate) tag: String,
}

/// Versions by number.
pub(crate) type Versions = BTreeMap<u64, Item>;

thread_local! {
    static LISTINGS: RefCell<BTreeMap<String, (u64, Versions)>> = const { RefCell::new(BTreeMap::new()) };
}

/// The versions of one model; none when there is no such model.
pub(crate) async fn versions(env: &Env, config: &Config, name: &str) -> Result<Versions> {
    let now = Date::now().as_millis();
    let age = u64::try_from(config.catalog_age.as_millis()).unwrap_or(u64::MAX);
    let known = LISTINGS.with_borrow(|all| {
        all.get(name).filter(|(at, _)| now.saturating_sub(*at) < age).map(|(_, v)| v.clone())
    });
    if let Some(versions) = known {
        return Ok(versions);
    }
    // The bucket wins where both have a version.
    let mut versions = in_assets(env, name).await?;
    if let Ok(bucket) = env.bucket(config::MODELS) {
        let listed = in_bucket(&bucket, &format!("{name}/")).await?;
        versions.extend(listed.into_iter().map(|(_, version, item)| (version, item)));
    }
    LISTINGS.with_borrow_mut(|all| {
        if all.len() >= MAX_LISTINGS {
            all.clear();
        }
        all.insert(name.to_owned(), (now, versions.clone()));
    });
    Ok(versions)
}

/// Every model's name and version.
pub(crate) async fn all(env: &Env) -> Result<Vec<(String, u64)>> {
    let mut models: Vec<(String, u64)> = asset_index(env)
        .await?
        .into_iter()
        .flat_map(|(name, versions)| versions.into_iter().map(move |v| (name.clone(), v)))
        .collect();
    if let Ok(bucket) = env.bucket(config::MODELS) {
        models.extend(in_bucket(&bucket, "").await?.into_iter().map(|(n, v, _)| (n, v)));
    }
    models.sort_unstable();
    models.dedup();
    Ok(models)
}

/// The key of a file in a version's folder in the bucket, and its path among the assets.
pub(crate) fn key(name: &str, version: u64, file: &str) -> String {
    format!("{name}/{version}/{file}")
}

pub(crate) fn asset_url(name: &str, version: u64, file: &str) -> String {
    let encode = |text: &str| text.bytes().map(encoded).collect::<String>();
    let file = file.split('/').map(encode).collect::<Vec<_>>().join("/");
    format!("https://assets.invalid/models/{}", key(&encode(name), version, &file))
}

fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// What the bucket has of one version of a model.
#[derive(Default)]
struct Folder {
    /// The model file: its place in [`FILES`], and its bytes.
    model: Option<(usize, u64)>,
    /// The tags of all files: weights may lie beside the model, and when they change, so does the tag.
    tag: String,
}

async fn in_bucket(bucket: &Bucket, prefix: &str) -> Result<Vec<(String, u64, Item)>> {
    let mut folders: BTreeMap<(String, u64), Folder> = BTreeMap::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut list = bucket.list();
        if !prefix.is_empty() {
            list = list.prefix(prefix);
        }
        if let Some(cursor) = cursor.take() {
            list = list.cursor(cursor);
        }
        let page = list.execute().await.map_err(|e| http::failed("the model bucket", e))?;
        for object in page.objects() {
            let key = object.key();
            let mut parts = key.splitn(3, '/');
            let (Some(name), Some(version), Some(file)) =
                (parts.next(), parts.next().and_then(parse_version), parts.next())
            else {
                continue;
            };
            if !is_model_name(name) {
                continue;
            }
            let folder = folders.entry((name.to_owned(), version)).or_default();
            if let Some(rank) = FILES.iter().position(|f| *f == file)
                && folder.model.is_none_or(|(known, _)| rank < known)
            {
                folder.model = Some((rank, object.size()));
            }
            folder.tag.push_str(&object.etag());
        }
        if !page.truncated() {
            break;
        }
        cursor = page.cursor();
    }
    let models = folders.into_iter().filter_map(|((name, version), folder)| {
        let (rank, bytes) = folder.model?;
        let file = *FILES.get(rank)?;
        Some((
            name,
            version,
            Item { place: Place::Bucket, file, bytes: Some(bytes), tag: folder.tag },
        ))
    });
    Ok(models.collect())
}

async fn in_assets(env: &Env, name: &str) -> Result<Versions> {
    let Ok(assets) = env.assets(config::ASSETS) else { return Ok(Versions::new()) };
    let mut listed = asset_index(env).await?.remove(name).unwrap_or_default();
    // Without an index, what is published as version 1 is still found.
    if listed.is_empty() {
        listed.push(1);
    }
    let mut versions = Versions::new();
    for version in listed {
        for file in FILES {
            let mut head = RequestInit::new();
            head.with_method(Method::Head);
            let answer = assets.fetch(asset_url(name, version, file), Some(head)).await;
            let answer = answer.map_err(|e| http::failed("static assets", e))?;
            if answer.status_code() == 200 {
                let header = |name| answer.headers().get(name).ok().flatten();
                let bytes = header("content-length").and_then(|n| n.parse().ok());
                let tag = header("etag").unwrap_or_default();
                versions.insert(version, Item { place: Place::Assets, file, bytes, tag });
                break;
            }
        }
    }
    Ok(versions)
}

/// `/models/index.json`, `{"name": ["1", "2"]}`: assets cannot be listed.
async fn asset_index(env: &Env) -> Result<BTreeMap<String, Vec<u64>>> {
    let Ok(assets) = env.assets(config::ASSETS) else { return Ok(BTreeMap::new()) };
    let mut answer = fetch_index(&assets).await.map_err(|e| http::failed("static assets", e))?;
    if answer.status_code() != 200 {
        return Ok(BTreeMap::new());
    }
    let index: BTreeMap<String, Vec<String>> = answer.json().await.map_err(|e| {
        Error::new(ErrorKind::Io, format!("models/index.json among the assets: {e}"))
    })?;
    let models = index.into_iter().filter(|(name, _)| is_model_name(name));
    Ok(models
        .map(|(name, list)| (name, list.iter().filter_map(|v| parse_version(v)).collect()))
        .collect())
}

async fn fetch_index(assets: &Fetcher) -> worker::Result<worker::Response> {
    assets.fetch("https://assets.invalid/models/index.json", None).await
}
