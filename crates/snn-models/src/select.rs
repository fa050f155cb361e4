//! Which network for what: picks of the zoo with their evidence.
//!
//! Numbers of papers are theirs and were read off the presets; numbers that were measured here come
//! with the command that measures them. What is neither says that it is our reading.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::zoo::Preset;

/// What the network is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Images.
    Vision,
    /// Recordings of event cameras.
    Events,
    /// Text.
    Nlp,
}

/// What it is to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hardware {
    /// A graphics processor.
    Gpu,
    /// An ordinary processor.
    Cpu,
    /// A small processor with little memory.
    Edge,
    /// A digital chip that computes with spikes.
    Neuromorphic,
    /// Memory that computes.
    Analog,
}

/// What counts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Being right.
    Accuracy,
    /// Time and energy.
    Efficiency,
}

/// A word that names no task, hardware or priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} is `{found}`, expected one of {}{}", known.join(", "),
    hint.map_or(String::new(), |hint| format!(": {hint}"))
)]
pub struct UnknownWord {
    /// What it was to name.
    pub what: &'static str,
    /// The word.
    pub found: String,
    /// Every word that would have been right.
    pub known: Vec<String>,
    /// What to do instead, for words of things that others have.
    pub hint: Option<&'static str>,
}

/// What there is instead of things that the zoo does not have.
fn hint(word: &str) -> Option<&'static str> {
    match word {
        "multimodal" => Some(
            "no network here reads several kinds of input at once, and no paper of the zoo has \
             one; choose a network for each kind, and join their answers yourself",
        ),
        "audio" | "sound" | "speech" => Some(
            "sound is read as the frames of its spectrogram, by the networks of vision; `snn train` \
             has presets for fsdd, shd, ssc and speech-commands",
        ),
        "text" | "language" => Some("text is nlp"),
        _ => None,
    }
}

macro_rules! words {
    ($name:ident, $what:literal, [$($variant:ident = $word:literal),* $(,)?]) => {
        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its word.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.name() == word).ok_or_else(|| UnknownWord {
                    what: $what,
                    found: word.into(),
                    known: Self::ALL.iter().map(|one| one.name().to_owned()).collect(),
                    hint: hint(word),
                })
            }
        }
    };
}

words!(Task, "task", [Vision = "vision", Events = "events", Nlp = "nlp"]);
words!(
    Hardware,
    "hardware",
    [Gpu = "gpu", Cpu = "cpu", Edge = "edge", Neuromorphic = "neuromorphic", Analog = "analog",]
);
words!(Priority, "priority", [Accuracy = "accuracy", Efficiency = "efficiency"]);

/// A network of the zoo, and why it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pick {
    /// Name of the preset.
    pub preset: &'static str,
    /// Settings of it that matter here, as `--set` takes them.
    pub settings: &'static [&'static str],
    /// What speaks for it, the strongest first; never empty.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, or was left aside.
    pub caution: Option<&'static str>,
    /// Others that are worth a trial, on weaker evidence.
    pub others: Vec<Other>,
}

/// A network of the zoo that was not picked, and why one may try it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Other {
    /// Name of the preset.
    pub preset: &'static str,
    /// What speaks for it.
    pub evidence: Evidence,
}

/// One reason, and how far to trust it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// Measured with this workspace.
    Measured {
        /// What.
        claim: String,
        /// The command that measures it.
        command: &'static str,
    },
    /// Written in a paper.
    Published {
        /// What.
        claim: String,
        /// The paper.
        source: &'static str,
    },
    /// Neither.
    OurReading {
        /// What we conclude.
        claim: String,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured { claim, command } => write!(f, "measured here: {claim} ({command})"),
            Self::Published { claim, source } => write!(f, "published: {claim} ({source})"),
            Self::OurReading { claim } => write!(f, "our reading: {claim}"),
        }
    }
}

/// The pick for a task on some hardware. There is one for every combination.
pub fn select(task: Task, hardware: Hardware, priority: Priority) -> Pick {
    match task {
        Task::Vision => vision(hardware, priority),
        Task::Events => events(hardware),
        Task::Nlp => nlp(hardware, priority),
    }
}

fn vision(hardware: Hardware, priority: Priority) -> Pick {
    let spiking = match priority {
        Priority::Accuracy => "e-spikeformer-12-768-distilled",
        Priority::Efficiency => "e-spikeformer-l",
    };
    match (hardware, priority) {
        (Hardware::Edge, Priority::Efficiency) | (Hardware::Analog, _) => Pick {
            evidence: vec![
                accuracy("qsd-transformer-8-512"),
                OurReading::claim(
                    "its weights have 4 bits: an eighth of the memory of 32-bit floats, and few \
                     levels for a device to hold",
                ),
            ],
            ..Pick::of("qsd-transformer-8-512")
        },
        (Hardware::Neuromorphic, _) => Pick {
            evidence: vec![
                accuracy(spiking),
                OurReading::claim(
                    "trained on integers, it runs on spikes over virtual steps with the same \
                     result, and between spikes it only adds",
                ),
            ],
            caution: Some(
                "no chip was measured; Matterhorn is sometimes named here, but it is a language model",
            ),
            ..Pick::of(spiking)
        },
        (Hardware::Cpu | Hardware::Gpu, Priority::Efficiency) => Pick {
            evidence: vec![
                Evidence::Measured {
                    claim: "the fastest of three systems of its size on two threads, exact spikes \
                            included: 31.7 ms an image of 32 x 32, beside 43.0 and 46.1"
                        .into(),
                    command: "cargo xtask bench --batch 1",
                },
                accuracy("spikformer-4-384"),
            ],
            caution: (hardware == Hardware::Gpu).then_some("the time is that of a CPU"),
            others: vec![Other {
                preset: "lsformer-4-384",
                evidence: OurReading::claim(
                    "a query meets the 9 keys of a window, so that attention costs the same for a \
                     token of any image; no accuracy was published for a size",
                ),
            }],
            ..Pick::of("spikformer-4-384")
        },
        (_, Priority::Accuracy) => Pick {
            caution: Some(
                "SpikingResformer, often named here, is not in this zoo; its published accuracy \
                 is lower (79.40 %)",
            ),
            ..most_accurate("ImageNet")
        },
    }
}

fn events(hardware: Hardware) -> Pick {
    let mut pick = most_accurate("CIFAR10-DVS");
    if matches!(hardware, Hardware::Neuromorphic | Hardware::Analog) {
        pick.caution = Some("no chip was measured");
    }
    pick.others = vec![
        Other {
            preset: "lsformer-2-256-n-caltech101",
            evidence: Evidence::Published {
                claim: "8.6 points above earlier spiking transformers on N-CALTECH101; that is \
                        the abstract, the network is our reading of it"
                    .into(),
                source: "Li, Zhang and Yu, LSFormer, arXiv 2605.13887",
            },
        },
        Other {
            preset: "teformer-2-256-cifar10-dvs",
            evidence: Evidence::Published {
                claim: "81.90 % on CIFAR10-DVS in 10 steps, looking along time; how its stages \
                        read events is our reading"
                    .into(),
                source: "Shen et al., TEFormer, arXiv 2601.18274",
            },
        },
    ];
    pick
}

fn nlp(hardware: Hardware, priority: Priority) -> Pick {
    const ENERGY: &str = "Zhou et al., Adaptive Spiking Neurons, arXiv 2604.12365, table of WD";
    let spikes = OurReading::claim(
        "attention is a count of bits for every key and a copy of the winner's value: no softmax, \
         no product",
    );
    if hardware == Hardware::Analog {
        return Pick {
            evidence: vec![
                Evidence::Published {
                    claim:
                        "on GLUE 1.42 points above earlier spiking networks on average, at 2.31 \
                            times better energy efficiency"
                            .into(),
                    source: "Yan et al., Matterhorn, arXiv 2601.22876, abstract",
                },
                OurReading::claim(
                    "one spike or none for an activation of 4 bits, silence for the most frequent, \
                     and weights of 15 conductances that are never fetched",
                ),
            ],
            caution: Some(
                "no device was measured: formulas, and what noise does, are our reading; \
                 `cargo xtask analog` shows how a trained one stands it",
            ),
            ..Pick::of("matterhorn")
        };
    }
    match priority {
        Priority::Efficiency => Pick {
            evidence: vec![
                Evidence::Published {
                    claim: "238.4 mJ, computed, beside 3398.3 mJ of a dense model 3.7 times larger"
                        .into(),
                    source: ENERGY,
                },
                spikes,
            ],
            ..Pick::of("wd-spikingformer-0.4b")
        },
        Priority::Accuracy => Pick {
            evidence: vec![
                Evidence::Published {
                    claim: "66.3 on GLUE, mean of 8, with spikes alone; SpikeLM, which keeps the \
                            softmax, has 76.5"
                        .into(),
                    source: ENERGY,
                },
                spikes,
            ],
            caution: Some("the softmax twin is more accurate where multiplications are cheap"),
            settings: match hardware {
                Hardware::Gpu => &["model.attention=softmax"],
                _ => &[],
            },
            ..Pick::of("we-spikingformer")
        },
    }
}

/// For short.
struct OurReading;

impl OurReading {
    fn claim(claim: &str) -> Evidence {
        Evidence::OurReading { claim: claim.into() }
    }
}

impl Pick {
    const fn of(preset: &'static str) -> Self {
        Self { preset, settings: &[], evidence: Vec::new(), caution: None, others: Vec::new() }
    }
}

/// The preset with the best published accuracy on a dataset.
fn most_accurate(dataset: &str) -> Pick {
    let presets = Preset::all().into_iter().filter(|preset| preset.task == dataset);
    let best =
        presets.max_by(|a, b| a.accuracy.unwrap_or(0.0).total_cmp(&b.accuracy.unwrap_or(0.0)));
    let Some(best) = best else { unreachable!("the zoo has presets for {dataset}") };
    let mut evidence = vec![accuracy(best.name)];
    if best.status == crate::Status::Reproduced {
        evidence.push(Evidence::Measured {
            claim:
                "small networks of this system give the outputs of the authors' code, spike for \
                    spike"
                    .into(),
            command: "cargo xtask golden",
        });
    }
    Pick { evidence, ..Pick::of(best.name) }
}

/// The published accuracy of a preset.
fn accuracy(name: &str) -> Evidence {
    let Some(preset) = Preset::named(name) else { unreachable!("{name} is a preset") };
    let claim = match preset.accuracy {
        Some(percent) => {
            let millions = preset.parameters as f64 / 1e6;
            format!("{percent:.2} % on {} with {millions:.1} M parameters", preset.task)
        }
        None => format!("made for {}, accuracy not published", preset.task),
    };
    Evidence::Published { claim, source: preset.source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matterhorn, wta_spikingformer};

    #[test]
    fn there_is_a_pick_for_everything_and_it_is_in_the_zoo() {
        let text = wta_spikingformer::presets().into_iter().chain(matterhorn::presets());
        let text: Vec<&str> = text.map(|preset| preset.name).collect();
        for &task in Task::ALL {
            for &hardware in Hardware::ALL {
                for &priority in Priority::ALL {
                    let pick = select(task, hardware, priority);
                    let known = match task {
                        Task::Nlp => text.contains(&pick.preset),
                        _ => Preset::named(pick.preset).is_some(),
                    };
                    assert!(known, "{task} {hardware} {priority}: {}", pick.preset);
                    assert!(!pick.evidence.is_empty());
                    let mut others = pick.others.iter();
                    assert!(others.all(|other| Preset::named(other.preset).is_some()));
                }
            }
        }
    }

    #[test]
    fn the_most_accurate_is_the_most_accurate() {
        let pick = select(Task::Vision, Hardware::Gpu, Priority::Accuracy);
        let best = Preset::named(pick.preset).unwrap();
        let others = Preset::all().into_iter().filter(|preset| preset.task == "ImageNet");
        assert!(others.into_iter().all(|preset| preset.accuracy <= best.accuracy));
        let Evidence::Published { claim, .. } = &pick.evidence[0] else { panic!("published") };
        assert!(claim.contains(&format!("{:.2} % on ImageNet", best.accuracy.unwrap())), "{claim}");
    }

    #[test]
    fn words_come_back_and_others_are_told() {
        for &hardware in Hardware::ALL {
            assert_eq!(hardware.name().parse(), Ok(hardware));
        }
        let error = "taste".parse::<Task>().unwrap_err().to_string();
        assert_eq!(error, "task is `taste`, expected one of vision, events, nlp");
        let error = "multimodal".parse::<Task>().unwrap_err().to_string();
        assert!(error.contains("vision, events, nlp: no network here reads several kinds"));
        let error = "audio".parse::<Task>().unwrap_err().to_string();
        assert!(error.contains("presets for fsdd"), "{error}");
        assert!("".parse::<Priority>().is_err());
        assert!("GPU".parse::<Hardware>().is_err());
    }
}
