//! Events to frames, with the conventions of SpikingJelly and of tonic to choose from.
//!
//! ```
//! use snn_data::events::{Event, Sensor, frames::{Framing, Slicing}};
//!
//! let events: Vec<Event> =
//!     (0..10).map(|i| Event::new(100 * i, i as u16, 0, i % 2 == 0)).collect();
//! let framing = Framing::new(Slicing::Number { frames: 4 }, Sensor::new(10, 1));
//! let frames = framing.frames(&events)?;
//! assert_eq!(frames.shape(), [4, 2, 1, 10]); // steps, polarities, rows, columns
//! assert_eq!(frames.steps().map(|f| f.iter().sum::<f32>()).collect::<Vec<_>>(), [2., 2., 2., 4.]);
//! # Ok::<(), snn_data::events::EventError>(())
//! ```

mod count;
mod npz;
mod resize;
mod slice;
mod surface;
mod tally;
mod voxel;

pub use count::{Frames, Framing, Polarities};
pub use resize::resize;
pub use slice::Slicing;
pub use surface::time_surfaces;
pub use voxel::voxel_grid;
