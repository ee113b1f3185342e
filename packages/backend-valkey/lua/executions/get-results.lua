--- The recorded ends of executions: of each its record, and its result where that is long. Results are long: it answers as many
-- as fit into a reply, at least one; the caller asks again for the rest. `unreadable` is one whose record does not decode.
-- @flags no-writes
-- @args ids: string[]
-- @reply [record: number, result: number, isUnreadable: boolean][]
-- @errors corruption schema_mismatch
local BYTES_MAX = 4194304

return function(u, a)
  local bytes, answers, bad, size = {}, {}, {}, 0
  record.load(u, a[1], bad)
  for place, id in ipairs(a[1]) do
    if size > BYTES_MAX then break end
    local x = u.records[id]
    answers[place] = { 0, 0, bad[id] or false }
    if x then
      bytes[#bytes + 1] = record.stored(u, x)
      answers[place][1] = #bytes
      size = size + #bytes[#bytes]
      if x[X.result] == 2 then
        local result = redis.call('GET', record.payload_key(u, id, 'result'))
        if not result then call.refuse('corruption', record.payload_key(u, id, 'result')) end
        bytes[#bytes + 1] = result
        answers[place][2] = #bytes
        size = size + #result
      end
    end
  end
  return answers, bytes
end
