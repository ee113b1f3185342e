--- The partition's events from a number on, entry by entry, up to so many or so many bytes; with `next` 0 only what there is.
-- `isKept` false: events of those numbers are gone, or never were.
-- @flags no-writes
-- @args next: int, countMax: int, bytesMax: int
-- @reply [isKept: boolean, first: number, last: number, entries: [first: number, atMs: number, events: number][], isAll: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  if a[1] == 0 then return { true, events.first(u), u.events, {}, true } end
  -- A store that was set back has fewer than a reader has seen.
  if a[1] > u.events + 1 then return { false, events.first(u), u.events, {}, true } end
  local bytes = {}
  local entries, is_all = events.read(u, a[1], a[2], a[3], bytes)
  if not entries then return { false, events.first(u), u.events, {}, true } end
  return { true, 0, u.events, entries, is_all }, bytes
end
