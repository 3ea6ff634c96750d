//! Result set management (XEP-0059).

use super::element::Element;
use super::ns;

/// What page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// At most so many.
    pub(crate) max: Option<usize>,
    /// The page behind this item.
    pub(crate) after: Option<String>,
    /// The page before this item; the last one where the id is empty.
    pub(crate) before: Option<String>,
}

impl Page {
    /// From the request's payload; the default where it has no `<set/>`.
    pub(crate) fn of(payload: &Element) -> Self {
        let Some(set) = payload.get("set", ns::RSM) else { return Self::default() };
        Self {
            max: set.child_text("max").and_then(|max| max.trim().parse().ok()),
            after: set.child_text("after").filter(|after| !after.is_empty()),
            before: set.child_text("before"),
        }
    }
}

/// Which page this is: its first and last item.
pub(crate) fn set(first: Option<String>, last: Option<String>, count: Option<usize>) -> Element {
    let mut set = Element::new("set", ns::RSM);
    if let Some(first) = first {
        set = set.text_child("first", first);
    }
    if let Some(last) = last {
        set = set.text_child("last", last);
    }
    match count {
        Some(count) => set.text_child("count", count.to_string()),
        None => set,
    }
}

/// The page of a list that is sorted by its keys.
pub(crate) fn slice<'a, T>(items: &'a [T], page: &Page, max: usize, key: impl Fn(&T) -> &str) -> &'a [T] {
    let max = page.max.unwrap_or(max).min(max);
    let from = page.after.as_deref().map_or(0, |after| items.partition_point(|item| key(item) <= after));
    let to = match page.before.as_deref() {
        None | Some("") => items.len(),
        Some(before) => items.partition_point(|item| key(item) < before),
    };
    let items = items.get(from..to).unwrap_or_default();
    let skip = if page.before.is_some() { items.len().saturating_sub(max) } else { 0 };
    items.get(skip..items.len().min(skip + max)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_both_ways() {
        let items = ["a", "b", "c", "d", "e"];
        let page = |after: Option<&str>, before: Option<&str>, max| {
            let page = Page { max, after: after.map(str::to_owned), before: before.map(str::to_owned) };
            slice(&items, &page, 3, |item| item).concat()
        };
        assert_eq!(page(None, None, None), "abc");
        assert_eq!(page(Some("c"), None, None), "de");
        assert_eq!(page(None, Some(""), Some(2)), "de");
        assert_eq!(page(None, Some("d"), Some(2)), "bc");
        assert_eq!(page(Some("z"), None, None), "");
        assert_eq!(page(Some("d"), Some("b"), None), "");
    }
}
