use snn_attn::Attend;

use super::Torch;

impl Attend for Torch {}
