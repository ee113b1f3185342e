--- Until when a flow's members are kept, of up to 400 of them from a place on; `next` is 0 after the last.
-- @flags no-writes
-- @args flow: string, from: int
-- @reply [keptMs: number, next: int, generation: int, change: int]
-- @errors corruption schema_mismatch invalid_arguments
local LOOK_MAX = 400
local PLACE_MAX = 100000000

return function(u, a)
  if a[2] < 1 or a[2] > PLACE_MAX then call.refuse('invalid_arguments', 'a place') end
  local f = flows.get(u, a[1])
  if not f then return { 0, 0, 0, 0 } end
  -- In its first generation it knows by itself.
  if f[F.generation] == 1 then return { f[F.kept], 0, 1, f[F.change] } end
  local ids, kept = members.ids(u, a[1], a[2], a[2] + LOOK_MAX - 1), 0
  record.load(u, ids)
  for _, id in ipairs(ids) do
    local x = u.records[id]
    if x and x[X.kept] > kept then kept = x[X.kept] end
  end
  return { kept, #ids == LOOK_MAX and a[2] + LOOK_MAX or 0, f[F.generation], f[F.change] }
end
