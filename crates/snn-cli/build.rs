//! Lets the programs and tests of this package find libtorch where it was when they were built.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // From torch-sys, which is a direct dependency for this alone; not set where it is left out.
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    // No symbol of it is used, and yet it is what loads CUDA where libtorch has it.
    println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch,--pop-state");
}
