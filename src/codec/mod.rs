//! Values as bytes, and back: what the published form of a model is written in.
//!
//! In: numbers, texts, lists, and structures of them; tensors by their number in a store of constants. Out: bytes
//! without gaps, numbers as LEB128. Each type says how it is written in one place, mostly a row of [`fields!`] or
//! [`choices!`], so that reading and writing cannot differ.
//!
//! Threat model: the bytes are untrusted. A length is never believed before as many bytes are there, and graphs nest
//! as deep as those of files may.

mod engine;
mod plain;

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

/// Graphs nest through scans; real models stay below 4.
const MAX_NESTING: usize = 16;

/// A type that can be written and read.
pub(crate) trait Field: Sized {
    /// Appends it; fails where it holds what bytes cannot say, such as a size that is not known.
    #[cfg(feature = "native")]
    fn write(&self, to: &mut Writer) -> TractResult<()>;

    /// Takes it from the front.
    fn read(from: &mut Reader<'_>) -> TractResult<Self>;
}

/// Where large constants go.
#[cfg(feature = "native")]
pub(crate) trait Keep {
    /// Its number.
    fn keep(&mut self, tensor: &Arc<Tensor>) -> TractResult<usize>;
}

/// Where large constants come from.
pub(crate) trait Constants {
    fn constant(&self, number: usize) -> TractResult<Arc<Tensor>>;
}

/// A part of a file that has no constants of its own.
pub(crate) struct NoConstants;

impl Constants for NoConstants {
    fn constant(&self, _: usize) -> TractResult<Arc<Tensor>> {
        bail!("a constant where there is none")
    }
}

/// Bytes under construction.
#[cfg(feature = "native")]
pub(crate) struct Writer<'a> {
    pub(crate) bytes: Vec<u8>,
    /// None: a part that may have no constants.
    pub(crate) constants: Option<&'a mut dyn Keep>,
}

#[cfg(feature = "native")]
impl<'a> Writer<'a> {
    pub(crate) fn new(constants: Option<&'a mut dyn Keep>) -> Self {
        Self { bytes: vec![], constants }
    }
}

/// Bytes of which a part was read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    constants: &'a dyn Constants,
    nesting: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], constants: &'a dyn Constants) -> Self {
        Self { rest: bytes, constants, nesting: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next bytes.
    pub(crate) fn take(&mut self, count: usize) -> TractResult<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).context("the bytes end too soon")?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn constant(&self, number: usize) -> TractResult<Arc<Tensor>> {
        self.constants.constant(number)
    }

    /// Reads a graph within a graph.
    pub(crate) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> TractResult<T>,
    ) -> TractResult<T> {
        ensure!(self.nesting < MAX_NESTING, "graphs nest deeper than {MAX_NESTING}");
        self.nesting += 1;
        let made = read(self);
        self.nesting -= 1;
        made
    }
}

/// How structures are written: field by field, in this order. Every field must be named.
macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::codec::Field for $type {
            #[cfg(feature = "native")]
            #[allow(unused_variables)]
            fn write(
                &self,
                to: &mut $crate::codec::Writer,
            ) -> tract_onnx::prelude::TractResult<()> {
                let Self { $($field),* } = self;
                $($crate::codec::Field::write($field, to)?;)*
                Ok(())
            }

            #[allow(unused_variables)]
            fn read(
                from: &mut $crate::codec::Reader<'_>,
            ) -> tract_onnx::prelude::TractResult<Self> {
                Ok(Self { $($field: $crate::codec::Field::read(from)?),* })
            }
        }
    )*};
}
pub(crate) use fields;

/// How a choice is written: its number, then what it holds. A number says the same for ever.
macro_rules! choices {
    ($($type:ident { $($number:literal => $name:ident $(($($held:ident),*))? $({ $($named:ident),* })?),* $(,)? })*) => {$(
        impl $crate::codec::Field for $type {
            #[cfg(feature = "native")]
            fn write(
                &self,
                to: &mut $crate::codec::Writer,
            ) -> tract_onnx::prelude::TractResult<()> {
                match self {
                    $(Self::$name $(($($held),*))? $({ $($named),* })? => {
                        to.bytes.push($number);
                        $($($crate::codec::Field::write($held, to)?;)*)?
                        $($($crate::codec::Field::write($named, to)?;)*)?
                    })*
                    // Some of the engine's are not for everyone.
                    #[allow(unreachable_patterns)]
                    _ => tract_onnx::tract_core::internal::bail!(
                        "{} of this kind has no bytes", stringify!($type)
                    ),
                }
                Ok(())
            }

            fn read(
                from: &mut $crate::codec::Reader<'_>,
            ) -> tract_onnx::prelude::TractResult<Self> {
                Ok(match from.take(1)? {
                    $([$number] => {
                        $($(let $held = $crate::codec::Field::read(from)?;)*)?
                        $($(let $named = $crate::codec::Field::read(from)?;)*)?
                        Self::$name $(($($held),*))? $({ $($named),* })?
                    })*
                    other => tract_onnx::tract_core::internal::bail!(
                        "{} has no kind {other:?}", stringify!($type)
                    ),
                })
            }
        }
    )*};
}
pub(crate) use choices;
