"""Everything that can break is broken, on the running local stack; then it is counted what became of each event.

    python -m tests.e2e.chaos --events 2000 --seed 7

incidents  what goes wrong, and the scheduler that lets it      senders   partners: duplicates, retries, connections
                                                                alerts    events about the same thing, and their oracle
                                                                agents    tickets that meet a rule, and their oracle
runtimes   the functions' processes: who calls, who is killed   traps     the named moments at which one is killed
proxy      before DynamoDB, to watch and to spoil               zendesk   the simulator, watched
gate_watch who calls Zendesk while the gate is closed           world     all of it, put together for one run
run        send, break, repair, wait, judge                       verdict   what must be true in the end (pure)
report     figures                                              screen    progress
"""
