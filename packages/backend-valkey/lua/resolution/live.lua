--- Flows that are not over in all their parts, in the order of their ids, after this one; '' for the first. Of each
-- its record by place, and its summary by place, or 0 where there is none. A record that is gone has 0.
-- @flags no-writes
-- @args after: string, max: int
-- @reply [id: string, core: int, summary: int][]
-- @errors schema_mismatch
return function(u, a)
  local from = a[1] == '' and '-' or '(' .. a[1]
  local ids = redis.call('ZRANGE', u.key.idx .. 'flow_index', from, '+', 'BYLEX', 'LIMIT', 0, a[2])
  local bytes, rows = {}, {}
  for place, id in ipairs(ids) do
    local found = redis.call('MGET', flows.key(u, id), flows.key(u, id, 'summary'))
    local row = { id, 0, 0 }
    for part = 1, 2 do
      if found[part] then
        bytes[#bytes + 1] = found[part]
        row[part + 1] = #bytes
      end
    end
    rows[place] = row
  end
  return rows, bytes
end
