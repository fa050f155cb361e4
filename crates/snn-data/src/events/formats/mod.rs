//! One file per format.

pub(super) mod aedat2;
pub(super) mod aedat3;
pub(super) mod aedat4;
pub(super) mod atis;
pub(super) mod dat;
pub(super) mod es;
pub(super) mod evt2;
pub(super) mod evt3;
mod flat;
pub(super) mod hdf5;
pub(super) mod mat;
pub(super) mod npy;
pub(super) mod npz;
mod prophesee;
pub(super) mod text;
