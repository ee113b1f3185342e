--- These entries of the outbox were carried out: what they say was given back.
-- @flags allow-oom
-- @brings nothing
-- @args entries: string[]
-- @reply string
-- @errors corruption schema_mismatch
return function(u, a)
  for _, id in ipairs(a[1]) do outbox.remove(u, id) end
  flush.run(u)
  return ''
end
