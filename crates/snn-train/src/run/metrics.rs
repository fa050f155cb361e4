use serde::{Deserialize, Serialize};

/// What is known of an epoch: a line of `metrics.jsonl`. Accuracies and rates are shares, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Mean loss over the training images, while the weights still moved.
    pub train_loss: f64,
    /// Share of training images that were classified right, augmented as they were.
    pub train_accuracy: f64,
    /// Mean cross entropy over the test images.
    pub test_loss: f64,
    /// Share of test images that are classified right.
    pub test_accuracy: f64,
    /// Spikes per neuron and time step, over all layers and test images.
    pub firing_rate: f64,
    /// Training images a second, not counting the test.
    pub images_per_s: f64,
    /// Length of the epoch, test included.
    pub seconds: f64,
}

impl Metrics {
    /// One line each.
    pub(super) fn write(all: &[Self]) -> Result<String, serde_json::Error> {
        all.iter().map(|metrics| Ok(serde_json::to_string(metrics)? + "\n")).collect()
    }

    /// Undoes [`Metrics::write`], up to the first line that is none.
    pub(super) fn read(text: &str) -> Vec<Self> {
        text.lines().map_while(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The epoch with the best test accuracy, the earliest of equal ones.
    pub fn best(all: &[Self]) -> Option<&Self> {
        all.iter().reduce(|a, b| if b.test_accuracy > a.test_accuracy { b } else { a })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(epoch: usize, test_accuracy: f64) -> Metrics {
        Metrics {
            epoch,
            train_loss: 0.1,
            train_accuracy: 1.0 / 3.0,
            test_loss: 2e-7,
            test_accuracy,
            firing_rate: 0.2,
            images_per_s: 1e5 / 3.0,
            seconds: 1.25,
        }
    }

    #[test]
    fn lines_survive_to_the_bit() {
        let all = [metrics(1, 0.1 + 0.2), metrics(2, 359.0 / 360.0)];
        let text = Metrics::write(&all).unwrap();
        assert_eq!(Metrics::read(&text), all);
        assert_eq!(Metrics::read(&text[..text.len() - 2]), all[..1]);
        let keys = "epoch train_loss train_accuracy test_loss test_accuracy firing_rate images_per_s seconds";
        let line: serde_json::Map<_, _> =
            serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line.len(), 8);
        assert!(keys.split(' ').all(|key| line.contains_key(key)));
    }

    #[test]
    fn the_best_epoch_is_the_earliest_of_equals() {
        let all = [metrics(1, 0.5), metrics(2, 0.75), metrics(3, 0.75), metrics(4, 0.25)];
        assert_eq!(Metrics::best(&all).map(|best| best.epoch), Some(2));
        assert_eq!(Metrics::best(&[]), None);
    }
}
