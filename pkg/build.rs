//! Keeps the stack pointer among the exports: a thread that is lent to the engine gets a stack of its own by it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--export=__stack_pointer");
    }
}
