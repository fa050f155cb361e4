//! The C++ parts, as safe functions: what libtorch can do and tch does not offer.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_double, c_int},
    ptr,
    sync::Once,
};

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
        x: *const C_tensor,
        v: *const C_tensor,
        leak: *const C_tensor,
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
    fn snn_keep_memory();
    fn snn_free_message(message: Message);
}

/// Runs a neuron over `x` (`[T, ...]`) from `v` (`[...]`): spikes `[T, ...]` and
/// the last membrane. All on a CPU, of one float type.
///
/// # Panics
/// With the message of libtorch if it fails.
pub(crate) fn fire(
    neuron: &RawNeuron,
    x: &Tensor,
    v: Option<&Tensor>,
    leak: Option<&Tensor>,
) -> (Tensor, Tensor) {
    let pointer = |t: Option<&Tensor>| t.map_or(ptr::null(), Tensor::as_ptr);
    let mut outputs = [ptr::null_mut(); 2];
    // SAFETY: the tensors live until the call returns, null stands for an absent one, and
    // `outputs` has room for the two that it makes.
    expect(unsafe {
        snn_fire(neuron, x.as_ptr(), pointer(v), pointer(leak), outputs.as_mut_ptr())
    });
    // SAFETY: it did not fail, so both are new tensors that nothing else owns.
    let [spikes, v] = outputs.map(|tensor| unsafe { Tensor::from_ptr(tensor) });
    (spikes, v)
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
