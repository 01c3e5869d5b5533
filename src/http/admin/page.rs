//! `GET /`: the page for operators (spec §10). Its files are the same for everybody and hold nothing
//! of calls, so that they need no token; what it shows it asks the API for.

use axum::{
    Router,
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

/// Nothing inline, nothing from elsewhere, and no form that leaves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Its files: path, type, text.
const FILES: [(&str, &str, &str); 8] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/api.js", SCRIPT, include_str!("page/api.js")),
    ("/table.js", SCRIPT, include_str!("page/table.js")),
    ("/panels.js", SCRIPT, include_str!("page/panels.js")),
    ("/dialogs.js", SCRIPT, include_str!("page/dialogs.js")),
    ("/icon.svg", PICTURE, include_str!("page/icon.svg")),
];

pub(super) fn routes() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(move || async move { file(kind, text) }))
    })
}

/// Whether one of its files is there.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|(known, _, _)| *known == path)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_self_contained_and_writes_no_markup_from_data() {
        for (path, kind, text) in FILES {
            for elsewhere in ["http://", "https://", "//cdn", "@import"] {
                let text = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!text.contains(elsewhere), "{path} holds {elsewhere}");
            }
            for markup in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("] {
                assert!(!text.contains(markup), "{path} holds {markup}");
            }
            for kept in ["localStorage", "sessionStorage", "document.cookie", "indexedDB"] {
                assert!(!text.contains(kept), "{path} holds {kept}");
            }
            let inline = [" style=\"", " onclick", "<style", "<script>"];
            let is_inline = kind == HTML && inline.iter().any(|what| text.contains(what));
            assert!(!is_inline, "{path} holds something inline");
        }
    }

    #[test]
    fn each_file_that_the_page_names_is_there() {
        let all = FILES.map(|(_, _, text)| text).concat();
        for (path, _, _) in FILES.into_iter().skip(1) {
            assert!(all.contains(path.trim_start_matches('/')), "nothing names {path}");
        }
    }

    #[test]
    fn it_is_small() {
        let bytes: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes");
    }
}
