//! Which class was taken for which.

use std::cmp::Reverse;

use super::data::Confusion;
use super::element::Element;
use super::format::{DASH, grouped, percent, shorten};
use super::scale::{Ramp, level};
use super::svg::{drawing, legend, rect, text};
use super::table::{folded, name, number, row, table, words};

/// Side of the matrix where classes are many.
const SIDE: f64 = 440.0;

/// Longest name along an axis, in letters.
const LETTERS: usize = 14;

/// Mistakes that are listed beside the matrix.
const LISTED: usize = 10;

pub(super) fn section(confusion: &Confusion) -> Vec<Element> {
    let matrix = Matrix::new(confusion);
    if matrix.total() == 0 {
        return Vec::new();
    }
    let figure = Element::new("figure").child(matrix.draw()).child(matrix.keys());
    let mut beside = Element::new("div").child(Element::new("p").class("fact").text(format!(
        "{} of {} samples are right: {}.",
        grouped(matrix.right()),
        grouped(matrix.total()),
        percent(matrix.right() as f64 / matrix.total() as f64, 2),
    )));
    let mistakes = matrix.mistakes();
    if !mistakes.is_empty() {
        beside = beside
            .child(Element::new("h3").text("Most frequent mistakes"))
            .child(mistakes_table(&matrix, &mistakes));
    }
    vec![
        Element::new("div").class("beside").child(figure).child(beside),
        folded("Numbers of every class", matrix.classes() <= 12, matrix.per_class()),
    ]
}

/// Accuracy on the test set; none without a sample.
pub(super) fn accuracy(confusion: &Confusion) -> Option<f64> {
    let matrix = Matrix::new(confusion);
    (matrix.total() > 0).then(|| matrix.right() as f64 / matrix.total() as f64)
}

/// The matrix made square: what a short row lacks is zero.
struct Matrix {
    names: Vec<String>,
    counts: Vec<Vec<u64>>,
}

/// Sizes of the drawing.
struct Grid {
    /// Side of a cell.
    cell: f64,
    /// Room for the names of the classes, at the left and below.
    left: f64,
    /// Size of the letters of names.
    letters: f64,
    /// Size of the digits of counts; none if counts do not fit.
    digits: Option<f64>,
    /// Share that the darkest mistake stands for.
    worst: f64,
}

impl Matrix {
    fn new(confusion: &Confusion) -> Self {
        let longest = confusion.counts.iter().map(Vec::len).max().unwrap_or(0);
        let classes = confusion.counts.len().max(longest);
        let name = |k: usize| match confusion.classes.get(k) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => k.to_string(),
        };
        let count = |truth: usize, guess: usize| {
            confusion.counts.get(truth).and_then(|row| row.get(guess)).copied().unwrap_or(0)
        };
        let row = |truth| (0..classes).map(|guess| count(truth, guess)).collect();
        Self { names: (0..classes).map(name).collect(), counts: (0..classes).map(row).collect() }
    }

    fn classes(&self) -> usize {
        self.names.len()
    }

    fn total(&self) -> u64 {
        sum(self.counts.iter().flatten().copied())
    }

    fn right(&self) -> u64 {
        sum((0..self.classes()).map(|k| self.counts[k][k]))
    }

    /// Samples whose true class is `k`.
    fn truths(&self, k: usize) -> u64 {
        sum(self.counts[k].iter().copied())
    }

    /// Samples that were taken for `k`.
    fn guesses(&self, k: usize) -> u64 {
        sum(self.counts.iter().map(|row| row[k]))
    }

    /// True class, predicted class and count of each mistake, the most frequent first.
    fn mistakes(&self) -> Vec<(usize, usize, u64)> {
        let mut mistakes: Vec<_> = (0..self.classes())
            .flat_map(|truth| (0..self.classes()).map(move |guess| (truth, guess)))
            .filter(|(truth, guess)| truth != guess)
            .map(|(truth, guess)| (truth, guess, self.counts[truth][guess]))
            .filter(|mistake| mistake.2 > 0)
            .collect();
        mistakes.sort_by_key(|&(truth, guess, n)| (Reverse(n), truth, guess));
        mistakes
    }

    fn share(&self, truth: usize, n: u64) -> f64 {
        n as f64 / self.truths(truth) as f64
    }

    fn draw(&self) -> Element {
        let grid = self.grid();
        let (left, side) = (grid.left, grid.cell * self.classes() as f64);
        let mut svg = drawing(left + side + 1.0, side + left + 2.0, "confusion matrix")
            .child(rect(left, 0.5, side, side).class("ground"));
        for (truth, row) in self.counts.iter().enumerate() {
            for (guess, _) in row.iter().enumerate().filter(|(_, n)| **n > 0) {
                svg = svg.children(self.cell(truth, guess, &grid));
            }
        }
        let middle = side / 2.0;
        let truth = text(11.0, middle, "true class").class("middle");
        svg.child(rect(left, 0.5, side, side).class("frame"))
            .children(self.labels(&grid))
            .child(truth.set("transform", format!("rotate(-90 11 {middle:.2})")))
            .child(text(left + middle, side + left - 3.0, "predicted class").class("middle"))
    }

    fn grid(&self) -> Grid {
        let cell = (SIDE / self.classes() as f64).clamp(1.0, 60.0);
        let most = self.counts.iter().flatten().max().map_or(0, |&n| grouped(n).chars().count());
        let digits = (cell * 1.4 / most as f64).min(13.0);
        let letters = cell.clamp(9.0, 12.0);
        let longest = self.names.iter().map(|name| shorten(name, LETTERS).chars().count()).max();
        Grid {
            cell,
            left: 30.0 + longest.unwrap_or(0) as f64 * letters * 0.6,
            letters,
            digits: (digits >= 8.0 && cell >= 18.0).then_some(digits),
            worst: self.worst(),
        }
    }

    /// Names of the classes along both axes, as many as fit.
    fn labels(&self, grid: &Grid) -> Vec<Element> {
        let &Grid { cell, left, letters, .. } = grid;
        let bottom = cell * self.classes() as f64 + 7.0;
        let stride = (12.0 / cell).ceil() as usize;
        let label = |name: &str, x: f64, y: f64| {
            text(x, y, shorten(name, LETTERS))
                .class("end")
                .set("style", format!("font-size:{letters:.1}px"))
                .tooltip(name)
        };
        let pair = |(i, name): (usize, &String)| {
            let middle = (i as f64 + 0.5) * cell + letters * 0.35;
            let (x, y) = (left + middle, bottom);
            let upright = format!("rotate(-90 {x:.2} {y:.2})");
            [label(name, left - 6.0, middle), label(name, x, y).set("transform", upright)]
        };
        self.names.iter().enumerate().step_by(stride).flat_map(pair).collect()
    }

    /// A cell, with its count where counts fit.
    fn cell(&self, truth: usize, guess: usize, grid: &Grid) -> Vec<Element> {
        let n = self.counts[truth][guess];
        let share = self.share(truth, n);
        let class = if truth == guess {
            Ramp::Amount.class(level(share, (0.0, 1.0)))
        } else {
            Ramp::Mistake.class(level(share, (0.0, grid.worst)))
        };
        let tooltip = format!(
            "true: {}\npredicted: {}\n{} samples, {} of the true class",
            self.names[truth],
            self.names[guess],
            grouped(n),
            percent(share, 1),
        );
        let side = grid.cell;
        let (x, y) = (grid.left + guess as f64 * side, 0.5 + truth as f64 * side);
        let count = |font: f64| {
            text(x + side / 2.0, y + side / 2.0 + font * 0.36, grouped(n))
                .class("middle count")
                .set("style", format!("font-size:{font:.1}px"))
        };
        let square = rect(x, y, side, side).class(&class).tooltip(tooltip);
        [square].into_iter().chain(grid.digits.map(count)).collect()
    }

    /// What the colours mean.
    fn keys(&self) -> Element {
        let keys = Element::new("figcaption").class("keys").child(legend(
            Ramp::Amount,
            "right: 0",
            "100 %",
        ));
        let worst = self.worst();
        if worst == 0.0 {
            keys
        } else {
            keys.child(legend(Ramp::Mistake, "wrong: 0", &percent(worst, 1)))
        }
    }

    /// Greatest share of a true class that was taken for one other.
    fn worst(&self) -> f64 {
        let shares = self.mistakes().into_iter().map(|(truth, _, n)| self.share(truth, n));
        shares.fold(0.0, f64::max)
    }

    fn per_class(&self) -> Element {
        let rows = (0..self.classes()).map(|k| {
            let (truths, guesses, right) = (self.truths(k), self.guesses(k), self.counts[k][k]);
            let others =
                (0..self.classes()).filter(|&guess| guess != k && self.counts[k][guess] > 0);
            let taken_for = others.max_by_key(|&guess| (self.counts[k][guess], Reverse(guess)));
            row([
                name(&self.names[k]),
                number(grouped(truths)),
                number(percent(right as f64 / truths as f64, 1)),
                number(percent(right as f64 / guesses as f64, 1)),
                number(percent(2.0 * right as f64 / (truths as f64 + guesses as f64), 1)),
                words(taken_for.map_or(DASH, |guess| &self.names[guess])),
            ])
        });
        let head = ["Class", "#Samples", "#Recall", "#Precision", "#F1", "Most often taken for"];
        table("Numbers of every class", &head, rows)
    }
}

/// A sum that stays where it is at the greatest count.
fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

fn mistakes_table(matrix: &Matrix, mistakes: &[(usize, usize, u64)]) -> Element {
    let rows = mistakes.iter().take(LISTED).map(|&(truth, guess, n)| {
        row([
            name(&matrix.names[truth]),
            words(&matrix.names[guess]),
            number(grouped(n)),
            number(percent(matrix.share(truth, n), 1)),
        ])
    });
    let head = ["True class", "Predicted class", "#Samples", "#Of its class"];
    table("Most frequent mistakes", &head, rows)
}
