//! The C++ parts, as safe functions: what libtorch can do and tch does not offer.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_double, c_int},
    ptr,
    sync::Once,
};

use snn_core::packed::Isa;
use tch::Tensor;
use torch_sys::C_tensor;

/// A spiking neuron, as `shim.h` declares it.
#[repr(C)]
pub(crate) struct RawNeuron {
    pub charge: c_int,
    pub decay_input: c_int,
    pub tau: c_double,
    pub threshold: c_double,
    pub hard_reset: c_int,
    pub reset_to: c_double,
    pub detach_reset: c_int,
    pub surrogate: c_int,
    pub surrogate_parameter: c_double,
}

/// Batch normalisation over the last axis,
/// `(x - mean) * inv_std * weight + bias`, every tensor `[C]`.
#[derive(Debug)]
pub(crate) struct Norm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub mean: Tensor,
    pub inv_std: Tensor,
    /// Whether mean and deviation are those of what is normalised, which the
    /// gradient then takes into account.
    pub batch: bool,
}

impl Clone for Norm {
    /// The same memory.
    fn clone(&self) -> Self {
        let Self { weight, bias, mean, inv_std, batch } = self;
        let [weight, bias, mean, inv_std] =
            [weight, bias, mean, inv_std].map(Tensor::shallow_clone);
        Self { weight, bias, mean, inv_std, batch: *batch }
    }
}

/// As `shim.h` declares it.
#[repr(C)]
struct RawNorm {
    weight: *const C_tensor,
    bias: *const C_tensor,
    mean: *const C_tensor,
    inv_std: *const C_tensor,
    batch: c_int,
}

impl RawNorm {
    /// Its pointers are good for as long as `norm` is.
    fn new(norm: &Norm) -> Self {
        let Norm { weight, bias, mean, inv_std, batch } = norm;
        Self {
            weight: weight.as_ptr(),
            bias: bias.as_ptr(),
            mean: mean.as_ptr(),
            inv_std: inv_std.as_ptr(),
            batch: (*batch).into(),
        }
    }
}

/// Numbers of a step of AdamW, as `shim.h` declares them.
#[repr(C)]
pub(crate) struct RawAdamW {
    pub lr: c_double,
    pub beta1: c_double,
    pub beta2: c_double,
    pub eps: c_double,
    pub weight_decay: c_double,
}

type Message = *mut c_char;

unsafe extern "C" {
    fn snn_fire(
        neuron: *const RawNeuron,
        norm: *const RawNorm,
        x: *const C_tensor,
        steps: i64,
        v: *const C_tensor,
        leak: *const C_tensor,
        outputs: *mut *mut C_tensor,
    ) -> Message;
    fn snn_norm(norm: *const RawNorm, x: *const C_tensor, outputs: *mut *mut C_tensor) -> Message;
    fn snn_statistics(
        x: *const C_tensor,
        repeats: i64,
        eps: c_double,
        momentum: c_double,
        running_mean: *const C_tensor,
        running_var: *const C_tensor,
        outputs: *mut *mut C_tensor,
    ) -> Message;
    fn snn_adamw(
        options: *const RawAdamW,
        count: usize,
        parameters: *const *const C_tensor,
        means: *const *const C_tensor,
        squares: *const *const C_tensor,
        steps: *const i64,
    ) -> Message;
    fn snn_forget_gradient(parameter: *const C_tensor) -> Message;
    fn snn_use_isa(level: c_int);
    fn snn_keep_memory();
    fn snn_free_message(message: Message);
}

/// Runs a neuron over `norm` of `x` (`[T, ...]`, or one step that stands for
/// all `steps`) from `v` (`[...]`): spikes `[steps, ...]` and the last membrane.
/// All on a CPU, of one float type.
///
/// # Panics
/// With the message of libtorch if it fails.
pub(crate) fn fire(
    neuron: &RawNeuron,
    norm: Option<&Norm>,
    x: &Tensor,
    steps: i64,
    v: Option<&Tensor>,
    leak: Option<&Tensor>,
) -> (Tensor, Tensor) {
    let norm = norm.map(RawNorm::new);
    let norm = norm.as_ref().map_or(ptr::null(), ptr::from_ref);
    let pointer = |t: Option<&Tensor>| t.map_or(ptr::null(), Tensor::as_ptr);
    let [spikes, v] = outputs(|to| {
        // SAFETY: the tensors live until the call returns, null stands for an absent one, and
        // `to` has room for the two that it makes.
        unsafe { snn_fire(neuron, norm, x.as_ptr(), steps, pointer(v), pointer(leak), to) }
    });
    (spikes, v)
}

/// `norm` of `x` (`[..., C]`), on a CPU, all of one float type.
///
/// # Panics
/// With the message of libtorch if it fails.
pub(crate) fn norm(norm: &Norm, x: &Tensor) -> Tensor {
    let norm = RawNorm::new(norm);
    let [normalised] = outputs(|to| {
        // SAFETY: the tensors live until the call returns, and `to` has room for the one that it
        // makes.
        unsafe { snn_norm(&norm, x.as_ptr(), to) }
    });
    normalised
}

/// Mean and `1 / sqrt(variance + eps)` of every channel of `x` (`[..., C]`).
/// Moves the running statistics by `momentum` towards mean and unbiased
/// variance, every element counted `repeats` times. On a CPU, all of one float
/// type.
///
/// # Panics
/// With the message of libtorch if it fails.
pub(crate) fn statistics(
    x: &Tensor,
    repeats: i64,
    [eps, momentum]: [f64; 2],
    running_mean: &Tensor,
    running_var: &Tensor,
) -> [Tensor; 2] {
    let (mean, var) = (running_mean.as_ptr(), running_var.as_ptr());
    outputs(|to| {
        // SAFETY: the tensors live until the call returns, the running statistics are written
        // by no other thread because a tensor is not `Sync`, and `to` has room for the two that
        // it makes.
        unsafe { snn_statistics(x.as_ptr(), repeats, eps, momentum, mean, var, to) }
    })
}

/// The tensors that `call` makes.
fn outputs<const N: usize>(call: impl FnOnce(*mut *mut C_tensor) -> Message) -> [Tensor; N] {
    let mut outputs = [ptr::null_mut(); N];
    expect(call(outputs.as_mut_ptr()));
    // SAFETY: the call did not fail, so all are new tensors that nothing else owns.
    outputs.map(|tensor| unsafe { Tensor::from_ptr(tensor) })
}

/// What a step of AdamW moves: a parameter that has a gradient, its moments,
/// and its steps, this one counted.
pub(crate) struct AdamWSlot<'a> {
    pub parameter: &'a Tensor,
    pub mean: &'a Tensor,
    pub square: &'a Tensor,
    pub steps: i64,
}

/// One step of libtorch's own fused AdamW.
///
/// # Panics
/// With the message of libtorch if it fails.
pub(crate) fn adamw(options: &RawAdamW, slots: &[AdamWSlot<'_>]) {
    let pointers = |tensor: fn(&AdamWSlot<'_>) -> *const C_tensor| -> Vec<_> {
        slots.iter().map(tensor).collect()
    };
    let parameters = pointers(|slot| slot.parameter.as_ptr());
    let means = pointers(|slot| slot.mean.as_ptr());
    let squares = pointers(|slot| slot.square.as_ptr());
    let steps: Vec<i64> = slots.iter().map(|slot| slot.steps).collect();
    // SAFETY: each list is as long as `slots`, and the tensors live until the call returns.
    expect(unsafe {
        snn_adamw(
            options,
            slots.len(),
            parameters.as_ptr(),
            means.as_ptr(),
            squares.as_ptr(),
            steps.as_ptr(),
        )
    });
}

/// Drops the gradient of a parameter, so that it has none.
pub(crate) fn forget_gradient(parameter: &Tensor) {
    // SAFETY: the tensor lives until the call returns.
    expect(unsafe { snn_forget_gradient(parameter.as_ptr()) });
}

/// Lets this process keep freed memory instead of returning it to the system:
/// a training step asks for the same sizes again and again, and a tenth of its
/// time went into fresh pages.
pub(crate) fn keep_memory() {
    static ONCE: Once = Once::new();
    // SAFETY: it sets numbers of the allocator, which may be done at any time.
    ONCE.call_once(|| unsafe { snn_keep_memory() });
}

/// Lets the kernels use these instructions from now on.
pub(crate) fn use_isa(isa: Isa) {
    let level = match isa.name() {
        "avx512" => 2,
        "avx2" => 1,
        _ => 0,
    };
    // SAFETY: a value of `Isa` is the proof that this CPU has the instructions.
    unsafe { snn_use_isa(level) };
}

fn expect(message: Message) {
    if message.is_null() {
        return;
    }
    // SAFETY: a message is a C string that stays until it is freed, here, once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        snn_free_message(message);
        text
    };
    panic!("libtorch: {text}");
}
