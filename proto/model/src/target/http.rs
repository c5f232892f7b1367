//! HTTP: what is asked for, and what its answer must be.

/// An HTTP(S) request and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Absolute `http://` or `https://` address; validated where it was configured.
    pub url: String,
    /// Request method, upper case.
    pub method: String,
    /// Statuses that are fine.
    pub status: StatusSet,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// How many redirects are followed; the last answer is judged. 0: the first answer is judged.
    pub redirects_max: u8,
}

/// Statuses that are fine, as inclusive ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    /// From inclusive ranges within 100–599.
    pub fn new(ranges: Vec<(u16, u16)>) -> Option<Self> {
        let valid = !ranges.is_empty()
            && ranges.iter().all(|&(low, high)| 100 <= low && low <= high && high <= 599);
        valid.then_some(Self(ranges))
    }

    /// True if `status` is fine.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(low, high)| low <= status && status <= high)
    }

    /// The inclusive ranges.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }
}

impl Default for StatusSet {
    /// 200–299.
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_set_holds_its_ranges_and_nothing_else() {
        let set = StatusSet::new(vec![(200, 204), (301, 301)]).unwrap();
        assert!(set.contains(200) && set.contains(204) && set.contains(301));
        assert!(!set.contains(205) && !set.contains(500));
        assert_eq!(StatusSet::new(vec![]), None);
        assert_eq!(StatusSet::new(vec![(300, 200)]), None);
        assert_eq!(StatusSet::new(vec![(99, 200)]), None);
    }
}
