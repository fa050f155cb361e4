//! Exact search for the nearest of many binary codes, from codes to distances and indices.

use anyhow::{Context, Result};

use super::{Hall, Rival, equal};
use crate::inputs::{CODES, NEIGHBORS, QUERIES, codes, nearest_distances};

pub(super) fn run(hall: &mut Hall<'_>) -> Result<()> {
    for bits in [32, 64, 256] {
        let codes = codes(bits)?;
        let path = hall.folder.join("input.safetensors");
        codes.save(&path).context("cannot write the codes")?;
        // Who breaks ties how is not compared: distances are.
        let judge = equal(nearest_distances(&codes));
        for &threads in &hall.options.threads {
            let shared =
                [("--case", path.display().to_string()), ("--threads", threads.to_string())];
            let mut entries = Vec::new();
            for rival in hall.rivals(&[Rival::Faiss]) {
                entries.push(hall.rival(rival, "hamming", &shared)?);
            }
            entries.push(hall.ours("search", "hamming", &shared)?);
            hall.hold(
                format!("top {NEIGHBORS} of {CODES} codes of {bits} bits, {threads} threads"),
                vec![format!("{QUERIES} queries at once; random codes, no neighbour is near")],
                ("µs per query", 1e6 / QUERIES as f64),
                entries,
                &judge,
            )?;
        }
    }
    Ok(())
}
