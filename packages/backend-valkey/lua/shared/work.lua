-- What both functions of a worker's tick do: with submissions, which a store without memory refuses, and without. `carried` are
-- entries of messages that the caller has carried; those of this call are told to a caller who carries them.
function work.run(u, a)
  local bytes, ended, accepted, taken, notes, offers = {}, {}, {}, {}, {}, {}
  u.claims, u.carries = #a[5] > 0 and #a[5], a[6]
  for _, id in ipairs(a[7]) do outbox.remove(u, id) end
  if #a[2] > 0 then ended = ends.run(u, a[1], a[2]) end
  if #a[4] > 0 then accepted = submits.run(u, a[3], a[4], bytes) end
  if u.claims then taken, notes, offers = claims.run(u, a[5]) end
  if flush.is_needed(u) then flush.run(u) end
  return { ended, accepted, claims.describe(u, taken, bytes), notes, offers, call.has(u, 'carried') and u.carried or {} }, bytes
end
