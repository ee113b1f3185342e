-- Running again what has ended: what a generation leaves behind goes. Attempts keep numbering, and the journal stays unless
-- the input is another one.

-- `input`: nil keeps it, false is none, else its bytes. `hash` is that of the input as submitted, which a repeat of the
-- submission is compared with, where the record does not state it. The state is still to be set by the caller.
function reopen.clear(u, x, input, hash)
  transition.touch(u, x)
  if input ~= nil then
    if x[X.hash] == '' then x[X.hash] = hash end
    record.set_input(u, x, input)
    u.gone[#u.gone + 1] = record.payload_key(u, record.id(u, x), 'journal')
    x[X.journal] = 0
    if x[X.waits] then waits.clear(u, x) end
  end
  if x[X.phase] == 't' then x[X.replays] = x[X.replays] + 1 end
  record.set_result(u, x, false)
  x[X.generation] = x[X.generation] + 1
  x[X.gen_epoch] = x[X.epoch]
  x[X.out] = '-'
  x[X.retries], x[X.reclaims] = 0, 0
  x[X.first_at], x[X.ready_at], x[X.score] = 0, 0, 0
  x[X.not_before], x[X.delay] = 0, ''
  x[X.asked], x[X.grace], x[X.cause] = '', 0, ''
  x[X.failure], x[X.progress] = 0, 0
  x[X.ended], x[X.kept] = 0, 0
end

-- Under which it is claimed next.
function reopen.pending(x)
  return x[X.attempts] == 0 and '1' or 'p'
end
