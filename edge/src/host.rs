//! The edge as a host of models.
//!
//! In: a model's name and version. Out: its session, streamed from its place into this module's memory
//! and loaded, or why it does not run here.

use std::sync::Arc;

use futures_util::TryStreamExt;
use nearside::protocol::{Host, IndexEntry, ModelRef, Opened};
use nearside::{Error, ErrorKind, ModelFile, Result, Session, SessionOptions};
use worker::{ByteStream, Env};

use crate::cache::{self, Key};
use crate::catalog::{self, Item, Place};
use crate::config::{self, Config};
use crate::forward::Cloud;
use crate::http;

pub(crate) struct EdgeHost<'a> {
    pub(crate) env: &'a Env,
    pub(crate) config: &'a Config,
    pub(crate) cloud: &'a Cloud,
}

impl Host for EdgeHost<'_> {
    const SOURCE: &'static str = "in_edge";
    const BACKEND: &'static str = "wasm-simd128";

    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// What is here, and what the cloud has beside that.
    async fn index(&self) -> Result<Vec<IndexEntry>> {
        let mut entries: Vec<IndexEntry> = catalog::all(self.env)
            .await?
            .into_iter()
            .map(|(name, version)| IndexEntry {
                name,
                version: version.to_string(),
                state: "READY".to_owned(),
                reason: String::new(),
            })
            .collect();
        for entry in self.cloud.index().await {
            if !entries.iter().any(|e| e.name == entry.name && e.version == entry.version) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    async fn open(&self, model: &ModelRef) -> Result<Opened> {
        self.load(model).await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        work()
    }
}

impl EdgeHost<'_> {
    pub(crate) async fn load(&self, model: &ModelRef) -> Result<Opened> {
        let name = &model.name;
        let versions = catalog::versions(self.env, self.config, name).await?;
        let unknown = |what: String| Error::new(ErrorKind::ModelNotFound, what);
        let latest = *versions
            .last_key_value()
            .ok_or_else(|| unknown(format!("there is no model `{name}`")))?
            .0;
        let version = model.version.unwrap_or(latest);
        let item = versions
            .get(&version)
            .ok_or_else(|| unknown(format!("model `{name}` has no version {version}")))?;
        let key = Key { name: name.clone(), version, tag: item.tag.clone() };
        let session = match cache::get(&key) {
            Some(found) => found,
            None => self.fetch(&key, item).await.inspect_err(|e| cache::refuse(key, e)),
        };
        let session = session.map_err(|e| {
            let said = format!("model `{name}` version {version}: {e}");
            Error::new(e.kind().clone(), said)
        })?;
        let versions = versions.into_keys().collect();
        Ok(Opened { name: name.clone(), version, versions, session })
    }

    async fn fetch(&self, key: &Key, item: &Item) -> Result<Arc<Session>> {
        let limit = self.config.max_model_bytes;
        let too_large = |bytes: Option<u64>| {
            let size = bytes.map_or_else(|| "more bytes".to_owned(), |n| format!("{n} bytes"));
            Error::new(ErrorKind::TooLarge, format!("{size}, the edge runs models up to {limit}"))
        };
        if item.bytes.is_some_and(|n| n > limit) {
            return Err(too_large(item.bytes));
        }
        // Before the new one is read: both together may not fit into the isolate.
        cache::make_room(item.bytes.unwrap_or(limit), self.config.cache_bytes);
        let gone = || Error::new(ErrorKind::ModelNotFound, "the file is gone");
        let stream = self.stream(key, item.place, item.file).await?.ok_or_else(gone)?;
        let failed = |e| http::failed("the model's file", e);
        let bytes = http::read(stream, item.bytes.unwrap_or(0), limit).await.map_err(failed)?;
        let bytes = bytes.ok_or_else(|| too_large(None))?;
        let mut size = bytes.len() as u64;
        let mut file = ModelFile::decode(bytes)?;
        let locations: Vec<_> = file.external().map(str::to_owned).collect();
        for location in locations {
            let mut stream = self.stream(key, item.place, &location).await?.ok_or_else(|| {
                let text = format!("the model keeps constants in `{location}`, which is not there");
                Error::new(ErrorKind::ModelNotFound, text)
            })?;
            file.begin(&location)?;
            while let Some(chunk) = stream.try_next().await.map_err(failed)? {
                size += chunk.len() as u64;
                if size > limit {
                    return Err(too_large(None));
                }
                file.append(&location, &chunk)?;
            }
        }
        let options = SessionOptions {
            max_tensor_bytes: self.config.max_tensor_bytes,
            ..SessionOptions::default()
        };
        let session = Arc::new(Session::from_file(file, &options)?);
        cache::put(key.clone(), Arc::clone(&session), size);
        Ok(session)
    }

    /// The bytes of a file in a version's folder; none where there is no such file.
    async fn stream(&self, key: &Key, place: Place, file: &str) -> Result<Option<ByteStream>> {
        let failed = |e| http::failed("the model's file", e);
        match place {
            Place::Bucket => {
                let bucket = self.env.bucket(config::MODELS).map_err(failed)?;
                let get = bucket.get(catalog::key(&key.name, key.version, file));
                let object = get.execute().await.map_err(failed)?;
                let body = object.as_ref().and_then(|o| o.body());
                body.map(|b| b.stream().map_err(failed)).transpose()
            }
            Place::Assets => {
                let assets = self.env.assets(config::ASSETS).map_err(failed)?;
                let url = catalog::asset_url(&key.name, key.version, file);
                let mut answer = assets.fetch(url, None).await.map_err(failed)?;
                let found = answer.status_code() == 200;
                found.then(|| answer.stream().map_err(failed)).transpose()
            }
        }
    }
}
