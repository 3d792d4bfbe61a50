//! Near matches of a mistyped name.

/// `` `this` or `that` ``: up to three of `names` that `wanted` may have meant, the nearest first.
pub(crate) fn near<'a>(names: impl Iterator<Item = &'a str>, wanted: &str) -> Option<String> {
    let mut near: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(name, wanted), name))
        // Below this, a suggestion is noise: `shard` is at 0.97 of `shards`, `listen` at 0.6 of
        // `lanes`.
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let near = near.iter().take(3).map(|(_, name)| format!("`{name}`"));
    let near: Vec<_> = near.collect();
    (!near.is_empty()).then(|| near.join(" or "))
}
