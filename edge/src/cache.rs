//! The models that this isolate has loaded.
//!
//! In: a model's name, version and tag. Out: its session, or why it does not run here. Bounded by the
//! bytes of the files; the one that came last always stays.

use std::cell::RefCell;
use std::sync::Arc;

use nearside::{Error, ErrorKind, Session};

/// Refusals kept at most.
const MAX_REFUSALS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) tag: String,
}

enum Entry {
    Loaded {
        session: Arc<Session>,
        bytes: u64,
    },
    /// It would only be read and refused again.
    Refused(ErrorKind, String),
}

thread_local! {
    /// The most recently used first.
    static ENTRIES: RefCell<Vec<(Key, Entry)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn get(key: &Key) -> Option<nearside::Result<Arc<Session>>> {
    ENTRIES.with_borrow_mut(|entries| {
        let at = entries.iter().position(|(k, _)| k == key)?;
        let entry = entries.remove(at);
        let found = match &entry.1 {
            Entry::Loaded { session, .. } => Ok(Arc::clone(session)),
            Entry::Refused(kind, message) => Err(Error::new(kind.clone(), message.clone())),
        };
        entries.insert(0, entry);
        Some(found)
    })
}

/// Forgets the least recently used models until `bytes` more fit.
pub(crate) fn make_room(bytes: u64, limit: u64) {
    ENTRIES.with_borrow_mut(|entries| {
        let mut total = bytes;
        entries.retain(|(_, entry)| match entry {
            Entry::Loaded { bytes, .. } => {
                total += bytes;
                total <= limit
            }
            Entry::Refused(..) => true,
        });
    });
}

pub(crate) fn put(key: Key, session: Arc<Session>, bytes: u64) {
    insert(key, Entry::Loaded { session, bytes });
}

/// Remembers an error that reading the same file again would give again.
pub(crate) fn refuse(key: Key, error: &Error) {
    let kind = error.kind();
    if matches!(
        kind,
        ErrorKind::InvalidModel | ErrorKind::UnsupportedOperator(_) | ErrorKind::UnsupportedType(_)
    ) {
        insert(key, Entry::Refused(kind.clone(), error.to_string()));
    }
}

fn insert(key: Key, entry: Entry) {
    ENTRIES.with_borrow_mut(|entries| {
        entries.retain(|(k, _)| k.name != key.name || k.version != key.version);
        entries.insert(0, (key, entry));
        let mut refusals = 0;
        entries.retain(|(_, entry)| {
            refusals += usize::from(matches!(entry, Entry::Refused(..)));
            matches!(entry, Entry::Loaded { .. }) || refusals <= MAX_REFUSALS
        });
    });
}
