#!/usr/bin/env bash
# filmgate with curl: all three dialects as they are on the wire. Each check is a function; those named on the
# command line are run, one JSON line is printed for each, and the end is 1 when one failed.
# FILMGATE_URL and FILMGATE_KEY say which gateway, and as whom.
set -uo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
picture=${BASH_SOURCE[0]%/*}/../picture.png
key="Authorization: Bearer $FILMGATE_KEY"

# What the last call got: the body, the headers, the status.
call() {
  status=$(curl -sS -o "$work/body" -D "$work/headers" -w '%{http_code}' -H "$key" "$@") || status="curl ended with $?"
  body=$(tr -d '\0' <"$work/body")
}
post() { call "$FILMGATE_URL$1" -H 'Content-Type: application/json' -d "$2" "${@:3}"; }
get() { call "$FILMGATE_URL$1" "${@:2}"; }

# The first string (or number) of that name in the body.
field() { grep -oE "\"$1\":(\"[^\"]*\"|[0-9]+)" "$work/body" | head -n 1 | cut -d: -f2- | tr -d '"'; }
header() { tr -d '\r' <"$work/headers" | sed -n "s/^$1: //Ip"; }

fail() { echo "$*; the last answer was $status: ${body:0:600}" >&2; return 1; }
is() { [[ $1 == "$2" ]] || fail "$3 is '$1', not '$2'"; }

# Waits for the end of a video, in either spelling.
ended() {
  [[ -n $1 ]] || fail "there is no id" || return
  for _ in {1..600}; do
    get "/v1/videos/$1"
    case $(field status) in queued | in_progress | pending) sleep 0.1 ;; *) return 0 ;; esac
  done
  fail "$1 did not end"
}
completed() { ended "$1" && is "$(field status)" "${2:-completed}" "the status of $1"; }
is_mp4() { is "$(head -c 8 "$work/body" | tail -c 4)" ftyp "the file's first box"; }

life() {
  post /v1/videos '{"prompt":"a red fox","size":"1280x720","seconds":"4"}'
  is "$status" 200 "the status" || return
  local id; id=$(field id)
  completed "$id" && is "$(field size) $(field seconds)" "1280x720 4" "what was delivered" || return
  get "/v1/videos?limit=1" && is "$(field first_id)" "$id" "the list" || return
  get "/v1/videos/$id/content" && is "$status" 200 "the file" && is_mp4 || return
  is "$(header content-type)" video/mp4 "the type" || return
  get "/v1/videos/$id/content" -r 0-99 && is "$status $(wc -c <"$work/body" | tr -d ' ')" "206 100" "a part" || return
  get "/v1/videos/$id" -X DELETE && is "$(field object)" video.deleted "the answer" || return
  get "/v1/videos/$id" && is "$status" 404 "the deleted video"
}

xai() {
  post /v1/videos/generations '{"prompt":"a red fox","resolution":"720p","duration":4}'
  local id; id=$(field request_id)
  completed "$id" "done" || return
  # The link needs no key.
  status=$(curl -sS -o "$work/body" -w '%{http_code}' "$(field url)")
  is "$status" 200 "the link" && is_mp4
}

thumbnail() {
  post /v1/videos '{"prompt":"a red fox"}'
  local id; id=$(field id)
  completed "$id" || return
  get "/v1/videos/$id/content?variant=thumbnail" && is "$(header content-type)" image/webp "the type" || return
  is "$(head -c 4 "$work/body")" RIFF "the first bytes"
}

mounts() {
  post /openai/v1/videos '{"prompt":"a red fox"}' && is "$(field object)" video "OpenAI's" || return
  post /xai/v1/videos/generations '{"prompt":"a red fox"}' && is "$status" 200 "xAI's" || return
  get "/xai/v1/videos/$(field request_id)" && [[ -n $(field status) ]] || fail "no status"
}

images() {
  local uri url=https://pictures.example/fox.png
  uri="data:image/png;base64,$(base64 <"$picture" | tr -d '\n')"
  call "$FILMGATE_URL/v1/videos" -F prompt='from a file' -F "input_reference=@$picture;type=image/png"
  completed "$(field id)" || return
  post /v1/videos "{\"prompt\":\"from a data URI\",\"input_reference\":{\"image_url\":\"$uri\"}}"
  completed "$(field id)" || return
  post /v1/videos "{\"prompt\":\"from an address\",\"input_reference\":{\"image_url\":\"$url\"}}"
  completed "$(field id)" || return
  post /v1/videos/generations "{\"prompt\":\"from xAI's field\",\"image\":{\"url\":\"$uri\"}}"
  completed "$(field request_id)" "done" || return
  local references="[{\"url\":\"$uri\"},{\"url\":\"$url\"}]"
  post /v1/videos/generations "{\"prompt\":\"with references\",\"duration\":6,\"reference_images\":$references}"
  completed "$(field request_id)" "done"
}

derivations() {
  post /v1/videos '{"prompt":"a red fox","size":"1280x720","seconds":"4"}'
  local id link; id=$(field id)
  completed "$id" || return
  post "/v1/videos/$id/remix" '{"prompt":"remix: in snow"}'
  is "$(field remixed_from_video_id)" "$id" "remixed_from_video_id" && completed "$(field id)" || return
  post /v1/videos/edits "{\"prompt\":\"edit: at night\",\"video\":{\"id\":\"$id\"}}"
  completed "$(field id)" || return
  post /v1/videos/extensions "{\"prompt\":\"extend: it runs\",\"seconds\":\"4\",\"video\":{\"id\":\"$id\"}}"
  completed "$(field id)" && is "$(field seconds)" 8 "the whole" || return
  local hex=${id#video_}
  get "/v1/videos/${hex:0:8}-${hex:8:4}-${hex:12:4}-${hex:16:4}-${hex:20}"
  link=$(field url)
  post /v1/videos/edits "{\"prompt\":\"edit: by link\",\"video\":{\"url\":\"$link\"}}"
  completed "$(field request_id)" "done" || return
  post /v1/videos/extensions "{\"prompt\":\"extend: by link\",\"duration\":4,\"video\":{\"url\":\"$link\"}}"
  completed "$(field request_id)" "done" && is "$(field duration)" 8 "the whole"
}

errors() {
  post /v1/videos '{"prompt":""}' && is "$status $(field type)" "400 invalid_request_error" "no prompt" || return
  post /v1/videos '{"prompt":' && is "$status" 400 "half a body" || return
  post /v1/videos/generations '{"prompt":"a fox","duration":99}' && is "$status" 400 "99 s" || return
  [[ $(field code) =~ ^[a-z-]+$ ]] || fail "xAI's codes are words with hyphens" || return
  key='Authorization: Bearer fg-nobody' get /v1/videos && is "$status" 401 "a stranger" || return
  get "/v1/videos/video_00000000000000000000000000000000" && is "$status" 404 "an unknown id" || return
  post /v1/videos '{"prompt":"[slow] a fox"}'
  local id; id=$(field id)
  get "/v1/videos/$id/content" && is "$status" 404 "a file that is not there yet" || return
  get "/v1/videos/$id" -X DELETE && is "$status $(header x-should-retry)" "409 false" "too early" || return
  post /v1/videos '{"prompt":"[fail]"}'
  completed "$(field id)" failed && is "$(field code)" upstream_failed "the code"
}

# The first answer never arrives (the test sees to that): curl asks again.
retries() {
  local again=(--retry 3 --retry-all-errors --retry-delay 1)
  post /v1/videos '{"prompt":"once","seconds":"4"}' -H 'Idempotency-Key: the-same' "${again[@]}"
  is "$status" 200 "the status" && completed "$(field id)"
}

idempotency() {
  local same='Idempotency-Key: the-same' id
  post /v1/videos '{"prompt":"the same"}' -H "$same"
  id=$(field id)
  post /v1/videos '{"prompt":"the same"}' -H "$same" && is "$(field id)" "$id" "the id" || return
  post /v1/videos '{"prompt":"another"}' -H "$same" && is "$status" 422 "another body"
}

parallel() {
  local n ids
  for n in {0..9}; do
    curl -sS -H "$key" -H 'Content-Type: application/json' "$FILMGATE_URL/v1/videos" \
      -d "{\"prompt\":\"number $n\"}" >"$work/$n" &
  done
  wait
  ids=$(for n in {0..9}; do cp "$work/$n" "$work/body" && field id; done | sort -u)
  is "$(wc -w <<<"$ids" | tr -d ' ')" 10 "the number of ids" || return
  for n in $ids; do
    completed "$n" && get "/v1/videos/$n/content" && is_mp4 || return
  done
}

# No strong token is there, and the client is told at each step.
fallback() {
  post /v1/videos '{"prompt":"a red fox","size":"1280x720","seconds":"10"}'
  is "$(header x-filmgate-route) $(field route)" "fallback fallback" "the route" || return
  completed "$(field id)" && is "$(field size) $(field seconds)" "752x416 6" "what was delivered" || return
  is "$(field verdict)" downgraded "the verdict"
}

# A client that wants no fallback says so.
on_shortage() {
  local wish='"prompt":"a red fox","size":"1280x720","seconds":"10"'
  post /v1/videos "{$wish}" -H 'x-filmgate-on-shortage: fail' && is "$status" 429 "the status" || return
  post /v1/videos "{$wish,\"on_shortage\":\"fail\"}" && is "$status" 429 "the status" || return
  post /v1/videos "{$wish,\"on_shortage\":\"wait\"}" && is "$status $(field status)" "200 queued" "the status"
}

chat() {
  local wish='"model":"grok-imagine-video","messages":[{"role":"user","content":"a red fox"}]'
  post /v1/chat/completions "{$wish}" && [[ $body == *.mp4* ]] || fail "no link" || return
  post /v1/chat/completions "{$wish,\"stream\":true}" && [[ $body == *.mp4*"data: [DONE]"* ]] || fail "no link"
}

ended_with=0
for check in "$@"; do
  if why=$("$check" 2>&1); then
    printf '{"check":"%s","ok":true}\n' "$check"
  else
    ended_with=1
    why=${why//$'\n'/ }
    printf '{"check":"%s","ok":false,"error":"%s"}\n' "$check" "${why//[\"\\]/\'}"
  fi
done
exit $ended_with
