--- Members from a place on, in order of creation: of each its record, its group and who its upstreams are, by place or 0. A
-- member whose record is gone is no longer one.
-- @flags no-writes
-- @args namespace: string, id: string, from: int, max: int
-- @reply [total: int, members: [id: string, record: int, group: int, ins: int][]]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local f = flows.find(u, a[1], a[2])
  local ids = a[4] > 0 and members.ids(u, a[2], a[3], math.min(a[3] + a[4] - 1, f[F.members])) or {}
  local bytes, list = {}, {}
  for place, id in ipairs(ids) do
    local exec = u.key.exec .. id
    local keys = { exec .. ':core', exec .. ':group', exec .. ':in' }
    local found = redis.call('MGET', unpack(keys))
    local row, absent = { id, 0, 0, 0 }, {}
    for part = 1, 3 do
      if found[part] then
        bytes[#bytes + 1] = found[part]
        row[part + 1] = #bytes
      else
        absent[#absent + 1] = keys[part]
      end
    end
    if foreign.among(absent) then call.refuse('corruption', exec) end
    list[place] = row
  end
  return { f[F.members], list }, bytes
end
