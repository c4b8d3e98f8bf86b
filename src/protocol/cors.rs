//! Which pages may call: the headers of cross-origin requests.
//!
//! In: the request's `Origin` and, of a preflight, the headers it wants to send. Out: response headers.
//! The same rules at the edge and in the cloud, because a page may meet either.

/// Response headers by lower-case name.
pub type HeaderList = Vec<(&'static str, String)>;

/// Who may call from a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cors {
    /// Pages of any origin. No credentials are involved, so this gives a page nothing that its
    /// visitor's own server could not fetch.
    #[default]
    Any,
    /// Pages of these origins.
    Only(Vec<String>),
}

impl Cors {
    /// From a list such as `*` or `https://a.example, https://b.example`.
    pub fn parse(list: &str) -> Self {
        let origins: Vec<String> = list
            .split([',', ' '])
            .map(|o| o.trim().trim_end_matches('/').to_owned())
            .filter(|o| !o.is_empty())
            .collect();
        if origins.iter().any(|o| o == "*") { Self::Any } else { Self::Only(origins) }
    }

    /// The headers of every answer.
    pub fn headers(&self, origin: Option<&str>) -> HeaderList {
        let mut headers = match (self, origin) {
            (Self::Any, _) => vec![("access-control-allow-origin", "*".to_owned())],
            (Self::Only(allowed), Some(origin)) if allowed.iter().any(|o| o == origin) => vec![
                ("access-control-allow-origin", origin.to_owned()),
                ("vary", "Origin".to_owned()),
            ],
            (Self::Only(_), _) => return vec![("vary", "Origin".to_owned())],
        };
        headers.push((
            "access-control-expose-headers",
            "Inference-Header-Content-Length, Retry-After, X-Nearside-Forwarded-Because".to_owned(),
        ));
        headers
    }

    /// The headers of the answer to a preflight, which has no body.
    pub fn preflight(&self, origin: Option<&str>, wanted_headers: Option<&str>) -> HeaderList {
        let mut headers = self.headers(origin);
        if headers.iter().any(|(name, _)| *name == "access-control-allow-origin") {
            // Named, because `*` would leave out Authorization.
            let wanted = wanted_headers
                .unwrap_or("Content-Type, Inference-Header-Content-Length")
                .to_owned();
            headers.push(("access-control-allow-headers", wanted));
            headers.push(("access-control-allow-methods", "GET, HEAD, POST, OPTIONS".to_owned()));
            headers.push(("access-control-max-age", "86400".to_owned()));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(cors: &Cors, origin: Option<&str>) -> Option<String> {
        let headers = cors.headers(origin);
        headers.into_iter().find(|h| h.0 == "access-control-allow-origin").map(|h| h.1)
    }

    #[test]
    fn origins_are_matched_whole() {
        assert_eq!(allowed(&Cors::default(), None).as_deref(), Some("*"));
        let cors = Cors::parse("https://a.example/, https://b.example");
        assert_eq!(allowed(&cors, Some("https://b.example")).as_deref(), Some("https://b.example"));
        assert_eq!(allowed(&cors, Some("https://a.example.evil")), None);
        assert_eq!(allowed(&cors, None), None);
        assert_eq!(cors.preflight(Some("https://c.example"), None).len(), 1);
        assert_eq!(Cors::parse("https://a.example *"), Cors::Any);
        assert_eq!(Cors::parse(""), Cors::Only(vec![]));
    }

    #[test]
    fn a_preflight_allows_what_it_asks_for() {
        let headers = Cors::Any.preflight(Some("https://a.example"), Some("authorization"));
        assert!(headers.contains(&("access-control-allow-headers", "authorization".to_owned())));
    }
}
