//! Bounds the module's memory.
//!
//! An isolate that passes its 128 MB is ended without a word, and everybody's requests with it. Below
//! that an allocation fails inside the module instead, and the shim hands the request on.

const MAX_MEMORY_MIB: u32 = 96;

fn main() {
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo:rustc-link-arg-cdylib=--max-memory={}", MAX_MEMORY_MIB << 20);
    }
    println!("cargo:rerun-if-changed=build.rs");
}
