--- The outbox's entries of a flow, in their order, and its state and open members. `isKnown`: the outbox is not too
-- large to be looked through.
-- @flags no-writes
-- @args flow: string
-- @reply [entries: string[], isKnown: boolean, state: string, open: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local f, list, ids = flows.get(u, a[1]), outbox.of_flow(u, a[1]), {}
  for place, each in ipairs(list or {}) do ids[place] = each[1] end
  return { ids, list ~= nil, f and f[F.state] or '', f and f[F.open] or 0 }
end
