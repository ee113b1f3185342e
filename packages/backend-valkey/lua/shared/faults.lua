-- Failures that tests ask for, only in a store whose clock stands still: `<code> <what its key holds>` in `meta`. They come
-- where a real one would: before the first write. How often is counted, so that tests see who tries again.

function faults.probe(u, staged)
  local code, part = string.match(u.fault, '^(%S+) (%S+)$')
  if code == nil or not u.is_virtual then return end
  for place = 1, #staged.writes, 2 do
    if string.find(staged.writes[place], part, 1, true) then
      redis.call('HINCRBY', u.key.meta, 'fault_tries', 1)
      call.refuse(code, staged.writes[place])
    end
  end
end
