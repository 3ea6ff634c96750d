//! Faults of clients and their connections.

use crate::plan::ClientFault;
use crate::world::World;

impl World {
    pub(super) fn on_client_fault(&mut self, fault: &ClientFault) {
        match *fault {
            ClientFault::Move(client, node) => self.move_client(client, node),
        }
    }

    /// The connection breaks, its old node learns of it, and the client connects to another.
    fn move_client(&mut self, client: usize, node: usize) {
        let (home, number) = (self.clients[client].home, self.clients[client].connection);
        if number != 0 {
            self.clients[client].left.insert(number);
            self.close(home, number);
        }
        self.clients[client].node = node;
    }
}
