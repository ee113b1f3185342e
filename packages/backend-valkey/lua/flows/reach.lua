--- Where the edges of these nodes lead: of each its downstreams in one text.
-- @flags no-writes
-- @args ids: string[]
-- @reply string[]
-- @errors corruption schema_mismatch
return function(u, a)
  groups.load_outs(u, a[1])
  local list = {}
  for place, id in ipairs(a[1]) do
    local downs = {}
    for nth, edge in ipairs(groups.outs(u, id)) do downs[nth] = edge[1] end
    list[place] = table.concat(downs)
  end
  return list
end
