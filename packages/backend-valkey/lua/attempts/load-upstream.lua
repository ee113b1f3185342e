--- What the upstreams handed down, by name, from a position on, at most so many; fewer when they are long.
-- @flags no-writes
-- @args namespace: string, id: string, from: int, limit: int
-- @reply [total: int, rows: [name: string, upstream: string, publicState: string, satisfied: boolean, result: int][]]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local BYTES_MAX = 4194304
  local x = operators.find(u, a[1], a[2])
  local list = x[X.flow] ~= '' and upstreams.of(u, a[2]) or {}
  local rows, bytes, size = {}, {}, 0
  for place = a[3] + 1, math.min(a[3] + a[4], #list) do
    local each = list[place]
    size = size + upstreams.size(u, each)
    if #rows > 0 and size > BYTES_MAX then break end
    local result = upstreams.result(u, each)
    if result then bytes[#bytes + 1] = result end
    rows[#rows + 1] = { each[1], each[2], each[3], each[4], result and #bytes or 0 }
  end
  return { #list, rows }, bytes
end
