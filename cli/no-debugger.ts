/** SIGUSR1 opens no debugger: anybody who reaches its port could run code as us. Imported first. Node's --disable-sigusr1 would keep the signal from those who listen for it as well. */
process.on('SIGUSR1', () => {});
