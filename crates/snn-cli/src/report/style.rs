//! The style sheet: a light and a dark scheme, wide and narrow screens, paper.
//!
//! It holds no `<`, `>`, `&` or `"`, so that it may stand in an element like any other text.

use super::scale::{LEVELS, Ramp};

/// The colour scales from least to most, which a colour-blind reader can tell by lightness alone.
const LIGHT: [(Ramp, [[u8; 3]; 5]); 2] = [
    (Ramp::Amount, [[244, 242, 236], [183, 219, 214], [83, 164, 190], [35, 97, 156], [20, 30, 82]]),
    (
        Ramp::Mistake,
        [[244, 242, 236], [251, 215, 170], [240, 160, 80], [212, 98, 24], [130, 48, 6]],
    ),
];
const DARK: [(Ramp, [[u8; 3]; 5]); 2] = [
    (Ramp::Amount, [[34, 41, 50], [31, 73, 112], [33, 130, 152], [122, 199, 163], [252, 244, 190]]),
    (Ramp::Mistake, [[34, 41, 50], [92, 54, 30], [170, 86, 26], [232, 146, 66], [255, 222, 170]]),
];

/// What covers most of an image where attention is greatest.
const COVER: f64 = 0.85;

pub(super) fn sheet() -> String {
    let cover = |l: usize| {
        let (class, share) = (Ramp::Cover.letter(), COVER * l as f64 / (LEVELS - 1) as f64);
        format!(".{class}{l}{{fill:var(--hot);fill-opacity:{share:.2}}}")
    };
    let covers: String = (0..LEVELS).map(cover).collect();
    format!(
        "{RULES}{}{covers}@media screen and (prefers-color-scheme:dark){{{DARK_NAMES}{}}}",
        scales(&LIGHT),
        scales(&DARK),
    )
}

/// Rules for the steps of the colour scales, and for numbers on them.
fn scales(scales: &[(Ramp, [[u8; 3]; 5])]) -> String {
    let rule = |ramp: Ramp, anchors: &[[u8; 3]], l: usize| {
        let [r, g, b] = colour(anchors, l);
        let class = format!(".{}{l}", ramp.letter());
        let (fill, ink) = (format!("#{r:02x}{g:02x}{b:02x}"), ink([r, g, b]));
        format!("{class}{{fill:{fill};background:{fill};color:{ink}}}{class}+text{{fill:{ink}}}")
    };
    let rules =
        scales.iter().flat_map(|(ramp, anchors)| (0..LEVELS).map(move |l| rule(*ramp, anchors, l)));
    rules.collect()
}

/// Step `l` of the scale, between the two anchors that are nearest.
fn colour(anchors: &[[u8; 3]], l: usize) -> [u8; 3] {
    let at = l as f64 / (LEVELS - 1) as f64 * (anchors.len() - 1) as f64;
    let i = (at as usize).min(anchors.len() - 2);
    let mix = |c: usize| {
        let (a, b) = (f64::from(anchors[i][c]), f64::from(anchors[i + 1][c]));
        (a + (b - a) * (at - i as f64)).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

/// Black or white, whichever reads better on `colour`.
fn ink(colour: [u8; 3]) -> &'static str {
    let on_black = contrast(colour, [0; 3]);
    if on_black > contrast(colour, [255; 3]) { "#000" } else { "#fff" }
}

/// Contrast ratio, 1 to 21. Source: WCAG 2.2, definitions of contrast ratio and of relative
/// luminance.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let luminance =
        |[r, g, b]: [u8; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

/// Names of the colours in the dark scheme.
const DARK_NAMES: &str = "\
:root{--page:#12161b;--panel:#191e25;--ink:#e4e7eb;--soft:#9aa5b1;--line:#2d343d;--faint:#222830;\
--test:#69b1f2;--training:#f2a65a;--ann:#66717d;--ac:#4aa3df;--mac:#f2a65a;--good:#5cc79a;\
--bad:#f58b80;--hot:#ff7a1f}";

const RULES: &str = "\
:root{color-scheme:light dark;--page:#f6f5f1;--panel:#fff;--ink:#1c2128;--soft:#5c6670;\
--line:#dedad2;--faint:#eeece6;--test:#0b5fa8;--training:#b85208;--ann:#b5b0a6;--ac:#2f7fb8;\
--mac:#d9731a;--good:#1b7a55;--bad:#b3362a;--hot:#ee5a00}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 Inter,system-ui,-apple-system,\
'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:70rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
p,figure,dl,dd,ul,h1,h2,h3{margin:0}
.eyebrow{color:var(--soft);font-size:.8rem;letter-spacing:.06em;text-transform:uppercase}
h1{font-size:clamp(1.5rem,1.1rem + 2vw,2.4rem);line-height:1.15;letter-spacing:-.02em;\
font-weight:650;margin:.25rem 0 .4rem;overflow-wrap:anywhere}
.soft{font-weight:400;color:var(--soft)}
.about,.lead,.note{color:var(--soft);max-width:46rem}
.note{font-size:.85rem;margin-top:1.25rem}
.name{overflow-wrap:break-word}
.tiles{display:flex;flex-wrap:wrap;gap:1px;\
margin-top:1.75rem;background:var(--line);border:1px solid var(--line);border-radius:10px;\
overflow:hidden}
.tiles div{flex:1 1 11.5rem;background:var(--panel);padding:1rem 1.1rem 1.1rem}
.tiles dt{font-size:.8rem;color:var(--soft)}
.tiles dd{font-size:.8rem;line-height:1.4;color:var(--soft)}
.tiles .big{font-size:1.75rem;line-height:1.3;font-weight:600;letter-spacing:-.01em;\
color:var(--ink)}
nav{margin-top:1.25rem;display:flex;flex-wrap:wrap;gap:.35rem 1.25rem;font-size:.9rem}
a{color:var(--test);text-decoration-thickness:1px;text-underline-offset:3px}
section{margin-top:3.25rem;scroll-margin-top:1rem}
h2{font-size:1.3rem;letter-spacing:-.01em;font-weight:650;padding-top:1rem;\
border-top:1px solid var(--line)}
h3{font-size:.95rem;font-weight:600;margin:1.25rem 0 .5rem}
.lead{margin:.2rem 0 1.25rem;font-size:.95rem}
.fact{margin:.25rem 0 .5rem}
.scroll+.fact{margin-top:1rem}
svg{display:block;max-width:100%;height:auto;overflow:visible}
svg text{font-size:12px;fill:var(--soft)}
.shared{position:absolute}
#hatch path{stroke:var(--ink);stroke-opacity:.6}
.strip{width:100%;overflow:hidden;shape-rendering:crispEdges}
.middle{text-anchor:middle}
.end{text-anchor:end}
.grid{stroke:var(--line)}
.axis{stroke:var(--soft)}
.frame{fill:none;stroke:var(--line)}
.ground{fill:var(--faint)}
.none{fill:url(#hatch)}
td.none{color:var(--soft);background:repeating-linear-gradient(135deg,var(--faint) 0 3px,\
transparent 3px 6px)}
.ac{fill:var(--ac)}.mac{fill:var(--mac)}.ann{fill:var(--ann)}
.good{color:var(--good)}.bad{color:var(--bad)}
.target{fill:var(--ink);fill-opacity:0}
.target:hover{fill-opacity:.08}
.curve{fill:none;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.test .curve{stroke:var(--test)}
.dots .curve{stroke-width:6;stroke-dasharray:none}
.mark .curve{stroke:var(--test);stroke-width:9}
.training .curve{stroke:var(--training);stroke-dasharray:1 4}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(19rem,100%),1fr));\
gap:1.5rem 1.75rem}
.plots svg{width:100%}
.plots figcaption{display:flex;flex-wrap:wrap;gap:0 .75rem;margin-bottom:.4rem;font-size:.9rem}
.plots strong{font-weight:600;margin-right:auto}
.s0 .curve{stroke:var(--test)}.s1 .curve{stroke:var(--training)}.s2 .curve{stroke:var(--good)}\
.s3 .curve{stroke:var(--bad)}.s4 .curve{stroke:var(--ann)}.s5 .curve{stroke:var(--soft)}\
.s1:not(.dots) .curve,.s4:not(.dots) .curve,.s5:not(.dots) .curve{stroke-dasharray:6 4}\
.key.s1::before{border-top:2px dashed var(--training)}.key.s2::before{border-color:var(--good)}\
.key.s3::before{border-color:var(--bad)}.key.s4::before{border-top:2px dashed var(--ann)}\
.key.s5::before{border-top:2px dashed var(--soft)}\
.key{display:inline-flex;align-items:center;gap:.4rem;color:var(--soft);font-size:.85rem}
.key::before{content:'';width:1.1rem;border-top:2px solid var(--test)}
.key.training::before{border-top:2px dotted var(--training)}
.key.mark::before{width:9px;height:9px;border:0;border-radius:50%;background:var(--test)}
.key.block::before{width:.7rem;height:.7rem;border:0;border-radius:2px;background:var(--ac)}
.key.mac::before{background:var(--mac)}
.key.ann::before{background:var(--ann)}
.keys{display:flex;flex-wrap:wrap;align-items:center;gap:.25rem 1.5rem;font-size:.85rem;\
color:var(--soft)}
p.keys{margin-bottom:.75rem}
.legend{display:inline-flex;align-items:center;gap:.5rem;font-size:.8rem;color:var(--soft)}
.legend svg{width:128px;height:10px;border-radius:2px}
.beside{display:grid;grid-template-columns:minmax(0,auto) minmax(0,1fr);gap:1.5rem 3rem;\
align-items:start}
.beside figcaption{margin-top:.5rem}
.count{font-weight:500}
.scroll{overflow:auto;background:var(--panel);\
border:1px solid var(--line);border-radius:8px}
.long .scroll{max-height:min(36rem,80vh)}
.scroll:focus-visible{outline:2px solid var(--test);outline-offset:1px}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.85rem;line-height:1.35}
th{font-weight:500;text-align:left}
th,td{padding:.34rem .7rem;vertical-align:middle}
thead{position:sticky;top:0;z-index:2}
thead th{background:var(--panel);color:var(--soft);font-size:.8rem;vertical-align:bottom;\
white-space:nowrap;border-bottom:1px solid var(--line)}
tbody th{position:sticky;left:0;z-index:1;background:var(--panel);min-width:7.5rem;\
max-width:19rem}
tbody tr+tr th,tbody tr+tr td{border-top:1px solid var(--faint)}
.number{text-align:right}
tbody td{white-space:nowrap}
.best td{font-weight:650}
tbody .sum th,tbody .sum td{position:sticky;bottom:0;background:var(--panel);font-weight:650;\
border-top:1px solid var(--line)}
tbody .sum th{z-index:2}
.bar{min-width:8.5rem;width:15%}
.pair{display:grid;gap:1px}
.pair .strip:first-child{height:8px}.pair .strip{height:5px}
.heat td{text-align:center;font-size:.78rem;padding:.2rem .35rem;min-width:2.9rem}
.heat tbody tr+tr td{border-top:1px solid var(--panel)}
.heat tbody td{border-left:1px solid var(--panel)}
.heat thead .number,.heat .group{text-align:center;padding:.2rem .35rem}
.tight td,.tight thead .number{min-width:0;padding:.2rem 1px;font-size:.62rem}
.heat td.number{text-align:right;padding-left:1rem}
.heat .bar{padding-right:.8rem}
.bar .strip{height:10px}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--test);font-size:.9rem;width:fit-content;padding:.25rem 0}
.samples{display:flex;flex-wrap:wrap;gap:1.75rem 3.5rem}
.panels,.many{display:flex;gap:1.25rem 1.1rem;align-items:flex-start;min-width:0}
.many{flex-wrap:wrap}
.panels figure{flex:none}
.panels figure{width:7.25rem}
.panels figcaption{font-size:.8rem;line-height:1.35;margin-top:.35rem}
.panels small{display:block;color:var(--soft)}
.sample .mark{font-weight:700}
.sample .good,.sample .bad{display:block}
.pixels{image-rendering:pixelated}
.spikes path{fill:none;shape-rendering:crispEdges}
.one{stroke:var(--ink)}
.more{stroke:var(--mac)}
.totals{display:grid;gap:1rem;margin-bottom:1.5rem}
.total strong{display:inline-block;min-width:7rem;font-weight:600}
.total .value{font-size:1.2rem;font-weight:600;margin-right:.75rem}
.total small{color:var(--soft)}
.total .strip{height:18px;margin:.2rem 0 .25rem;border-radius:3px;background:var(--faint)}
.chips{display:flex;flex-wrap:wrap;gap:.4rem;padding:0;list-style:none;font-size:.85rem}
.chips li{padding:.15rem .65rem;border:1px solid var(--line);border-radius:1rem;\
background:var(--panel);overflow-wrap:anywhere}
.command{margin:0 0 1.25rem;padding:.9rem 1.1rem;background:var(--panel);\
border:1px solid var(--line);border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;\
font:.85rem/1.5 ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;\
user-select:all;-webkit-user-select:all}
.command code{font:inherit}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));\
gap:0 3rem;align-items:start}
.columns h3{margin-top:0}
.list div{display:grid;grid-template-columns:10rem minmax(0,1fr);gap:1rem;padding:.3rem 0;\
border-bottom:1px solid var(--faint);font-size:.9rem}
.list dt{color:var(--soft);overflow-wrap:anywhere}
.list dd{overflow-wrap:anywhere}
@media (min-width:46rem){
.heat tbody th,.beside tbody th{white-space:nowrap}
.heat wbr,.beside wbr{display:none}
}
@media (max-width:46rem){
main{padding:1.5rem 1rem 3rem}
section{margin-top:2.5rem}
.beside{grid-template-columns:minmax(0,1fr)}
.panels{flex-wrap:wrap}
.panels,.many{gap:1rem .75rem}
.panels figure{width:calc((100% - 1.5rem)/3)}
.many{display:contents}
.tiles div{flex-basis:9rem;padding:.8rem .9rem}
.tiles .big{font-size:1.4rem}
.list div{grid-template-columns:8rem minmax(0,1fr)}
th,td{padding:.3rem .5rem}
}
@media print{
@page{margin:14mm}
:root{--page:#fff}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:10pt}
main{max-width:none;padding:0}
nav,details:not([open]){display:none}
summary{color:inherit;list-style:none}
section{margin-top:1.5rem}
.tiles div{flex-basis:7rem}
.plots{grid-template-columns:repeat(3,1fr)}
.scroll,.long .scroll{max-height:none;overflow:visible}
h2,h3,.lead,p.keys,summary{break-after:avoid}
p,figure,tr,.total,.tiles{break-inside:avoid}
thead,tbody th,tbody .sum th,tbody .sum td{position:static}
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_on_every_cell() {
        for (_, anchors) in [LIGHT, DARK].concat() {
            for l in 0..LEVELS {
                let cell = colour(&anchors, l);
                let ink = if ink(cell) == "#000" { [0; 3] } else { [255; 3] };
                assert!(contrast(cell, ink) >= 4.5, "{cell:?}");
            }
        }
    }

    #[test] // so that no hue is needed to read it
    fn lightness_goes_one_way() {
        for (_, anchors) in [LIGHT, DARK].concat() {
            let on_black: Vec<f64> =
                (0..LEVELS).map(|l| contrast(colour(&anchors, l), [0; 3])).collect();
            let rises = on_black.windows(2).all(|w| w[0] < w[1]);
            assert!(rises || on_black.windows(2).all(|w| w[0] > w[1]), "{on_black:?}");
        }
    }

    #[test]
    fn nothing_in_the_sheet_is_escaped() {
        assert!(!sheet().contains(['<', '>', '&', '"']));
    }
}
