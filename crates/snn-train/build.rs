//! Compiles the C++ parts against the libtorch that torch-sys found, and lets the programs and
//! tests of this package find that libtorch where it was when they were built.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=shim");
    // From torch-sys, which is a direct dependency for its raw tensor type and for this; not set
    // where libtorch is left out.
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{lib}");
    // No symbol of it is used, and yet it is what loads CUDA where libtorch has it.
    println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch,--pop-state");
    compile(&Path::new(&lib).with_file_name("include"));
}

fn compile(include: &Path) {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").files(["shim/neuron.cpp", "shim/training.cpp"]);
    for headers in [include.to_owned(), include.join("torch/csrc/api/include")] {
        // As system headers, whose warnings are not ours.
        build.flag("-isystem").flag(headers.display().to_string());
    }
    // Development builds too: a neuron is most of what a training step spends on our own code.
    build.opt_level(3);
    // Membranes must agree to the bit with those of other programs: no fused multiply-adds.
    build.flag("-ffp-contract=off");
    // Nobody asks for floating-point exceptions or errno; without them, loops become vectors.
    build.flags(["-fno-trapping-math", "-fno-math-errno"]);
    build.compile("snn_shim");
}
