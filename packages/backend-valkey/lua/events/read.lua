--- The partition's events from a number on, entry by entry, up to so many or so many bytes; with `next` 0 only what there is.
-- `isKept` false: events of those numbers are gone, or never were, or the one before them is not of that time (0: unknown).
-- @flags no-writes
-- @args next: int, seenAtMs: int, countMax: int, bytesMax: int
-- @reply [isKept: boolean, first: number, last: number, lastAtMs: number, entries: [first: number, atMs: number, events: number][], isAll: boolean]
-- @errors corruption schema_mismatch
return function(u, a)
  local next_number, seen_at = a[1], a[2]
  if next_number == 0 then return { true, events.first(u), u.events, events.time_of(u, u.events) or 0, {}, true } end
  local gone = { false, events.first(u), u.events, 0, {}, true }
  -- A store that was set back has fewer than a reader has seen, or has given their numbers to others since.
  if next_number > u.events + 1 then return gone end
  if seen_at > 0 and (events.time_of(u, next_number - 1) or seen_at) ~= seen_at then return gone end
  local bytes = {}
  local entries, is_all = events.read(u, next_number, a[3], a[4], bytes)
  if not entries then return gone end
  return { true, 0, u.events, 0, entries, is_all }, bytes
end
