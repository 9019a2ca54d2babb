//! Words as frequent as words are in a shop's texts: a few are everywhere, most are rare.
//!
//! The most frequent word is drawn about as often as the next two together, as in any language (Zipf's law, with Mandelbrot's
//! offset): the function words first, then what shops write, then kinds and qualities of things, then a long tail of made-up
//! words, which stand for names, models, and everything that one product alone is described with.

use fastrand::Rng;

/// What any text is held together by, the most frequent first.
#[rustfmt::skip]
const FUNCTION: [&str; 40] = [
    "the", "and", "with", "a", "for", "of", "to", "is", "in", "your", "this", "it", "on", "from", "or", "that", "by", "you",
    "can", "are", "as", "our", "be", "at", "has", "its", "any", "more", "not", "when", "all", "so", "than", "an", "will", "one",
    "also", "other", "while", "without",
];
/// What shops write of anything.
#[rustfmt::skip]
const SHOP: [&str; 60] = [
    "quality", "design", "easy", "perfect", "use", "made", "home", "size", "set", "high", "great", "gift", "material", "soft",
    "light", "comfortable", "durable", "style", "water", "color", "inch", "clean", "natural", "fit", "free", "hand", "everyday",
    "ideal", "wash", "features", "premium", "strong", "large", "small", "long", "new", "two", "make", "keep", "includes",
    "safe", "room", "table", "family", "kids", "women", "men", "years", "warm", "dry", "modern", "classic", "colour", "weight",
    "care", "surface", "simple", "look", "product", "machine",
];
/// Kinds of things, by their department; the first of each department are sold most.
#[rustfmt::skip]
pub(super) const KINDS: [(&str, [&str; 12]); 10] = [
    ("Home", ["lamp", "blanket", "pillow", "curtain", "mirror", "candle", "rug", "vase", "clock", "frame", "basket", "cushion"]),
    ("Electronics", ["headphones", "charger", "keyboard", "speaker", "camera", "mouse", "monitor", "tablet", "router", "cable", "microphone", "projector"]),
    ("Outdoor", ["backpack", "tent", "lantern", "hammock", "cooler", "compass", "thermos", "sleeping bag", "trekking poles", "stove", "whistle", "tarp"]),
    ("Fashion", ["jacket", "sneakers", "scarf", "dress", "sweater", "jeans", "gloves", "hat", "belt", "sandals", "wallet", "sunglasses"]),
    ("Office", ["notebook", "chair", "desk", "pen", "stapler", "shredder", "calendar", "organizer", "whiteboard", "envelope", "binder", "footrest"]),
    ("Kitchen", ["kettle", "mug", "knife", "skillet", "teapot", "blender", "grinder", "toaster", "colander", "whisk", "ladle", "cutting board"]),
    ("Garden", ["planter", "hose", "rake", "shovel", "bench", "trellis", "pruner", "wheelbarrow", "sprinkler", "birdhouse", "compost bin", "trowel"]),
    ("Toys", ["puzzle", "doll", "kite", "blocks", "robot", "marbles", "train", "plush bear", "board game", "yo-yo", "scooter", "drum"]),
    ("Bath", ["towel", "soap", "shampoo", "bathrobe", "toothbrush", "sponge", "comb", "razor", "lotion", "bath mat", "dispenser", "mirror cabinet"]),
    ("Sports", ["yoga mat", "dumbbell", "bicycle", "helmet", "racket", "football", "skates", "rope", "goggles", "kayak", "paddle", "treadmill"]),
];
/// What things are.
#[rustfmt::skip]
const QUALITIES: [&str; 40] = [
    "wireless", "cotton", "wooden", "portable", "leather", "ceramic", "stainless", "vintage", "ergonomic", "foldable",
    "waterproof", "linen", "compact", "insulated", "magnetic", "bamboo", "adjustable", "organic", "handmade", "rechargeable",
    "woven", "brass", "velvet", "glass", "reversible", "quilted", "marble", "rattan", "copper", "lightweight", "padded",
    "recycled", "enamel", "striped", "minimalist", "walnut", "fleece", "silicone", "braided", "collapsible",
];
pub(super) const COLOURS: [&str; 10] =
    ["black", "white", "blue", "grey", "green", "red", "beige", "brown", "pink", "yellow"];
#[rustfmt::skip]
const SYLLABLES: [&str; 24] = [
    "ba", "re", "mi", "to", "lu", "ken", "sar", "vo", "ni", "pel", "dro", "gan", "ti", "mar", "fe", "zu", "lor", "ax", "qui",
    "ste", "hol", "wen", "ja", "rud",
];
/// Different words, the made-up ones included.
const VOCABULARY: usize = 40_000;
/// Different brands.
const BRANDS: usize = 1_500;
/// How much more even the frequencies of the first words are than 1, 1/2, 1/3 and so on.
const TEXT_OFFSET: f64 = 2.7;
const KINDS_OFFSET: f64 = 12.0;
const BRANDS_OFFSET: f64 = 20.0;

/// A department, and one of its things.
pub(super) fn kind(random: &mut Rng) -> (&'static str, &'static str) {
    let rank = rank(KINDS.len() * KINDS[0].1.len(), KINDS_OFFSET, random);
    let (department, kinds) = &KINDS[rank % KINDS.len()];
    (department, kinds[rank / KINDS.len()])
}

pub(super) fn quality(random: &mut Rng) -> &'static str {
    QUALITIES[rank(QUALITIES.len(), KINDS_OFFSET, random)]
}

pub(super) fn colour(random: &mut Rng) -> &'static str {
    COLOURS[rank(COLOURS.len(), KINDS_OFFSET, random)]
}

pub(super) fn brand(random: &mut Rng) -> String {
    made_up(VOCABULARY + rank(BRANDS, BRANDS_OFFSET, random))
}

/// Any word of a text.
pub(super) fn word(random: &mut Rng) -> String {
    let kinds = KINDS.len() * KINDS[0].1.len();
    let mut rank = rank(VOCABULARY, TEXT_OFFSET, random);
    for list in [&FUNCTION[..], &SHOP] {
        match list.get(rank) {
            Some(word) => return (*word).to_owned(),
            None => rank -= list.len(),
        }
    }
    // Kinds and qualities in turn, as long as there are any.
    match (rank % 2, rank / 2) {
        (0, number) if number < kinds => KINDS[number % KINDS.len()].1[number / KINDS.len()].to_owned(),
        (_, number) if number < QUALITIES.len() => QUALITIES[number].to_owned(),
        _ => made_up(rank),
    }
}

/// A word of the tail.
pub(super) fn rare_word(random: &mut Rng) -> String {
    made_up(random.usize(VOCABULARY / 20..VOCABULARY))
}

/// So many words.
pub(super) fn text(words: usize, random: &mut Rng) -> String {
    (0..words).map(|_| word(random)).collect::<Vec<_>>().join(" ")
}

/// A number below `count`, the small ones more often: as 1 / (number + offset).
fn rank(count: usize, offset: f64, random: &mut Rng) -> usize {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let drawn = offset * ((f64::from(count) + offset) / offset).powf(random.f64()) - offset;
    // Not negative, and below `count`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a small number")]
    let rank = drawn as usize;
    rank.min(count as usize - 1)
}

/// The same word for the same number, and no other's.
fn made_up(number: usize) -> String {
    // Two syllables at least, so that no made-up word is a short one that somebody else means.
    let (mut number, mut word) = (number + SYLLABLES.len() * SYLLABLES.len(), String::new());
    while number > 0 {
        word.push_str(SYLLABLES[number % SYLLABLES.len()]);
        number /= SYLLABLES.len();
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_words_are_in_most_texts_and_most_words_in_few() {
        let mut random = Rng::with_seed(7);
        let mut texts: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
        for _ in 0..1_000 {
            let words: std::collections::BTreeSet<_> = (0..50).map(|_| word(&mut random)).collect();
            words.into_iter().for_each(|word| *texts.entry(word).or_default() += 1);
        }
        assert!(texts["the"] > 900 && texts["kettle"] < 50, "{} {}", texts["the"], texts["kettle"]);
        let frequent = texts.values().filter(|count| **count > 100).count();
        let once = texts.values().filter(|count| **count == 1).count();
        assert!(frequent < 60 && once * 2 > texts.len(), "{frequent} {once} of {}", texts.len());
    }
}
