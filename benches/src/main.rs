fn main() -> anyhow::Result<()> {
    use std::time::Instant;
    for name in std::env::args().skip(1) {
        let t = Instant::now();
        let case = snn_benches::Case::draw(&name, snn_benches::case::config(&name, 4)?, snn_benches::case::Draw::default())?;
        println!("{name} drawn in {:?}", t.elapsed());
        let t = Instant::now();
        let r = snn_benches::agreement::Recording::new(&case, 2)?;
        println!("recorded 2 in {:?} rate {} macs {} busy {}", t.elapsed(), r.rate(), r.macs(), r.busy());
        for p in snn_core::packed::Precision::ALL {
            let t = Instant::now();
            let a = snn_benches::agreement::agreement(&snn_core::Packed::new(p), &case, &r)?;
            println!("{} {:?} flipped {}/{} logit {}", p.name(), t.elapsed(), a.flipped, a.compared, a.logit_error);
        }
    }
    Ok(())
}
