--- Records how far attempts have come; the last one wins. A message is a text, or false for none.
-- @flags allow-oom
-- @brings record
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int, percent: number, message: unknown][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local answers = holders.each(u, a[1], a[2], 'p', function(x, attempt, item)
    transition.touch(u, x)
    attempt[A.effects] = 1
    x[X.progress] = type(item[6]) == 'string' and { item[5], item[6] } or { item[5] }
    return { 'recorded' }
  end)
  flush.run(u)
  return answers
end
