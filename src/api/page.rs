//! Keyset paging: a cursor names the last row shown. Any text of its length is a cursor, so that none is ever wrong,
//! only elsewhere; it gives no rights.

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::case::Moment;

const USUAL: i64 = 50;
const MOST: i64 = 200;

/// A page of a list; the header `Link` leads to the next.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
}

/// Rows found, and the cursor of the next page if there is one.
pub struct Found<T, C> {
    pub items: Vec<T>,
    pub next: Option<C>,
}

/// A place in a list ordered by time and identity.
pub type Place = (Moment, [u8; 16]);

/// How many rows were asked for.
pub fn limit(asked: Option<i64>) -> Result<i64, Problem> {
    match asked.unwrap_or(USUAL) {
        limit @ 1..=MOST => Ok(limit),
        _ => Err(Problem::bad_request("limit is a number from 1 to 200")),
    }
}

/// Writes a cursor.
#[must_use]
pub fn cursor((at, id): &Place) -> String {
    encode(*at, id, &[])
}

/// Reads a cursor.
pub fn place(cursor: Option<&str>) -> Result<Option<Place>, Problem> {
    cursor.map(|text| decode::<0>(text).map(|(at, id, _)| (at, id))).transpose()
}

/// Writes a cursor of the register, whose rows are numbered within folders.
#[must_use]
pub fn register_cursor(at: Moment, folder: &[u8; 16], uid: i64) -> String {
    let [_, _, number @ ..] = uid.to_be_bytes();
    encode(at, folder, &number)
}

/// Reads a cursor of the register.
pub fn register_place(cursor: Option<&str>) -> Result<Option<(Moment, [u8; 16], i64)>, Problem> {
    let place = cursor.map(decode::<6>).transpose()?;
    Ok(place
        .map(|(at, folder, [a, b, c, d, e, f])| (at, folder, i64::from_be_bytes([0, 0, a, b, c, d, e, f]))))
}

fn encode(at: Moment, id: &[u8; 16], rest: &[u8]) -> String {
    let mut bytes = at.micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(id);
    bytes.extend_from_slice(rest);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode<const REST: usize>(text: &str) -> Result<(Moment, [u8; 16], [u8; REST]), Problem> {
    let wrong = || Problem::bad_request("this cursor is none of ours; take it from the header Link");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let (micros, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let (id, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
    let rest = rest.try_into().map_err(|_| wrong())?;
    Ok((Moment::from_micros(i64::from_be_bytes(*micros)), *id, rest))
}

/// Answers with a page and the link to the next one.
pub fn answer<T: Serialize>(request: &HttpRequest, items: Vec<T>, next: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        let kept = request.query_string().split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty() && name != "cursor"
        });
        let cursor = format!("cursor={next}");
        let query = kept.chain([cursor.as_str()]).collect::<Vec<_>>().join("&");
        let query = query.replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
        response.insert_header((LINK, format!("<{}?{query}>; rel=\"next\"", request.path())));
    }
    response.json(Page { items })
}

/// Collects up to `limit` items that may be shown from a list that also holds others, so that what is hidden leaves
/// no gap by which it could be counted. `fetch` gives rows after a place.
pub fn collect<R, T, E>(
    limit: i64,
    mut after: Option<Place>,
    mut fetch: impl FnMut(Option<Place>, i64) -> Result<Vec<R>, E>,
    place_of: impl Fn(&R) -> Place,
    mut show: impl FnMut(R) -> Result<Option<T>, E>,
) -> Result<Found<T, Place>, E> {
    let wanted = usize::try_from(limit).unwrap_or(0);
    let mut items = Vec::new();
    let mut last = None;
    loop {
        let rows = fetch(after, limit + 1)?;
        let complete = rows.len() <= wanted;
        for row in rows {
            let place = place_of(&row);
            after = Some(place);
            let Some(item) = show(row)? else { continue };
            if items.len() == wanted {
                return Ok(Found { items, next: last });
            }
            last = Some(place);
            items.push(item);
        }
        if complete {
            return Ok(Found { items, next: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_any_text_of_their_length_is_one() {
        let place_here = (Moment::from_micros(-5), [7; 16]);
        assert_eq!(place(Some(&cursor(&place_here))).unwrap(), Some(place_here));
        let folder = register_cursor(Moment::from_micros(9), &[1; 16], 4_294_967_295);
        assert_eq!(
            register_place(Some(&folder)).unwrap(),
            Some((Moment::from_micros(9), [1; 16], 4_294_967_295))
        );
        assert!(place(Some(&"_".repeat(32))).is_ok() && register_place(Some(&"a".repeat(40))).is_ok());
        for wrong in ["", "x", "ä", "====", &"a".repeat(33)] {
            assert!(place(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hidden_rows_leave_no_gap() {
        let rows: Vec<u8> = (0..20).collect();
        let page = |limit, after: Option<Place>| {
            collect(
                limit,
                after,
                |after, limit| {
                    let from = after.map_or(0, |(_, id)| usize::from(id[0]) + 1);
                    Ok::<_, ()>(rows.iter().copied().skip(from).take(limit as usize).collect())
                },
                |row| (Moment::default(), [*row; 16]),
                |row| Ok((row % 5 == 0).then_some(row)),
            )
            .unwrap()
        };
        let first = page(3, None);
        assert_eq!(first.items, [0, 5, 10]);
        let second = page(3, first.next);
        assert_eq!((second.items, second.next), (vec![15], None));
    }
}
