--- Gives back slots that were taken by hand. Answers of each whether it was held.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args items: [id: string, key: string, holder: string, hand: string][]
-- @reply boolean[]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for place, item in ipairs(a[1]) do told[place] = quotas.let_go(u, item[1], item[2], item[3], item[4]) end
  resources.flush(u)
  return told
end
