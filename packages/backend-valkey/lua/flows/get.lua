--- A flow's record, its newest summary and the result that a cancel of the flow alone left, each by its place or 0.
-- @flags no-writes
-- @args namespace: string, id: string
-- @reply [core: int, summary: int, frozen: int]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  flows.find(u, a[1], a[2])
  local found = redis.call('MGET', flows.key(u, a[2]), flows.key(u, a[2], 'summary'), flows.key(u, a[2], 'frozen'))
  local bytes, places = {}, {}
  for place = 1, 3 do
    places[place] = 0
    if found[place] then
      bytes[#bytes + 1] = found[place]
      places[place] = #bytes
    end
  end
  return places, bytes
end
